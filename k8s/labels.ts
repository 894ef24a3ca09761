/** The names under which Jobs and pods say what they are. Everything we write on an object has this prefix, and we read nothing else. */
const PREFIX = 'runlet.dev/'

export const LABEL = {
  language: `${PREFIX}language`,
  /** starting | warm | running | finished */
  state: `${PREFIX}state`,
  status: `${PREFIX}status`,
  executionId: `${PREFIX}execution-id`,
  /** How many records a Job holds that several executions share, and how many of them succeeded and did not. */
  executions: `${PREFIX}executions`,
  succeeded: `${PREFIX}succeeded`,
  unsuccessful: `${PREFIX}unsuccessful`,
  /** Followed by an execution's id, on a Job that several share: its status. */
  executionPrefix: `${PREFIX}execution-`,
  /** On a Job that holds records only: the Job that the executions ran on. */
  ranOn: `${PREFIX}ran-on`,
  runner: `${PREFIX}runner`,
  managedBy: 'app.kubernetes.io/managed-by',
} as const

export const MANAGED_BY = 'runlet'

export const ANNOTATION = {
  /** Of the interpreter that runs in it. */
  version: `${PREFIX}version`,
  /** Followed by an execution's id: its record as JSON. */
  recordPrefix: `${PREFIX}execution-`,
} as const

/** Text as a label value: at most 63 characters of [A-Za-z0-9._-], beginning and ending with a letter or digit. The end is kept: that is where names differ. */
export function labelValue(text: string): string {
  return text
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(-63)
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
}
