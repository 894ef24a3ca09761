console.log(process.env.NODE_ENV, process.env.NODE_NO_WARNINGS)
process.emitWarning('hidden')
