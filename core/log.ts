/** What the code needs of a logger; pino's own shape. Never log code, stdin, env, keys or output: only ids, names and numbers. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Log
}
