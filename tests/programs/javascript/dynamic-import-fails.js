import('./missing.mjs').catch((error) => console.log(error.code, error.message.includes('missing.mjs')))
import('node:nothing').catch((error) => console.log(error.code))
