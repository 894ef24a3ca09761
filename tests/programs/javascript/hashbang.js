#!/usr/bin/env node
console.log('after the hashbang', new Error().stack.split('\n')[1].match(/:(\d+):\d+/)[1])
