const { AsyncLocalStorage, executionAsyncId } = require('async_hooks')
const als = new AsyncLocalStorage()
als.run({ id: 7 }, () => setTimeout(() => console.log(als.getStore()), 1))
console.log(als.getStore(), executionAsyncId())
