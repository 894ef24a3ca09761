const d = new Date(Date.UTC(2024, 0, 15, 12, 0, 0))
console.log(d.toString(), d.getHours(), Intl.DateTimeFormat().resolvedOptions().timeZone)
