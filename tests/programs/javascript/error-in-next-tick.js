process.nextTick(() => {
  null.property
})
