const vm = require('vm')
console.log(vm.runInNewContext('x + 1', { x: 41 }), eval('var viaEval = 2; viaEval * 2'), typeof viaEval, new Function('a', 'return a * 3')(4))
console.log((0, eval)('this === globalThis'), vm.isContext({}))
try { vm.runInThisContext('throw new Error("in vm")', 'virtual.js') } catch (e) { console.log(e.stack.split('\n')[1]) }
try { new Function('return }') } catch (e) { console.log(e.name) }
eval('import("node:path").then((p) => console.log(p.sep))')
