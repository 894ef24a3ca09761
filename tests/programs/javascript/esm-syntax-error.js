import fs from 'fs'
const = 5
