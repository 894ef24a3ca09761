console.log((1234567.891).toLocaleString(), Intl.NumberFormat().resolvedOptions().locale)
