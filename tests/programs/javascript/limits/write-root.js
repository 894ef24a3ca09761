for (const path of ['/x', '/usr/x', '/etc/x', '/opt/x', '/dev/x']) {
  try {
    require('fs').writeFileSync(path, 'x')
    console.log('wrote', path)
  } catch {
    console.log('refused')
  }
}
