/** Loaded into a Runlet process before its main (`node --expose-gc --import`): at SIGUSR2 what nobody holds any more goes, so that what is left can be compared. */
process.on('SIGUSR2', () => (globalThis as { gc?: () => void }).gc?.())
