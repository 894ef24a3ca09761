function here() {
  console.trace('where am I', 1)
}
here()
