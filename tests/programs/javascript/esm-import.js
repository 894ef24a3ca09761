import fs, { existsSync } from 'node:fs'
import path from 'path'
console.log(typeof fs.readFileSync, existsSync('main.js'), path.basename(import.meta.filename))
console.log(import.meta.url.startsWith('file:///'), import.meta.dirname === process.cwd(), import.meta.main)
console.log(typeof require, typeof module, typeof __filename, this)
