import { ExecutionIds } from '../core/ids.ts'
import { Languages } from '../core/languages.ts'
import { LimitSettings } from '../core/limits.ts'
import { systemClock } from '../core/time.ts'
import { createApp } from './app.ts'
import { type ApiDeps, DEFAULT_SETTINGS } from './deps.ts'
import { openApiDocument } from './openapi.ts'

const notCalled = () => {
  throw new Error('Making the document calls nothing')
}
const log = { debug: notCalled, info: notCalled, warn: notCalled, error: notCalled, child: () => log }

/** What the document is made of: the API with default settings, and nothing behind it. */
const deps: ApiDeps = {
  publisher: { schedule: notCalled, run: notCalled, mayStillRun: notCalled },
  records: { find: notCalled },
  languages: new Languages([]),
  limits: LimitSettings.parse({}),
  ids: new ExecutionIds('the document holds no ids'),
  clock: systemClock,
  log,
  metrics: { add: notCalled, set: notCalled, observe: notCalled },
  settings: DEFAULT_SETTINGS,
}

/** The text of openapi.json: the contract with the limits that a server has when nobody sets others. */
export function defaultOpenApi(): string {
  return `${JSON.stringify(openApiDocument(createApp(deps).app), null, 2)}\n`
}
