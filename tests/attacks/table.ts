import type { Attack } from './attack.ts'
import type { Outcome } from './siege.ts'

/** What became of the attacks on one deployment, as `cluster.test.ts` and its like write it for `main.ts`. */
export interface Siege {
  deployment: string
  seconds: number
  outcomes: readonly Outcome[]
}

/** A Markdown page: one line an attack, one column a deployment, each with the answer's status and the longest time. Pure. */
export function tableOf(attacks: readonly Attack[], sieges: readonly Siege[]): string {
  const names = sieges.map(({ deployment }) => deployment)
  return [
    '# Attacks and what became of them',
    '',
    ...sieges.map((siege) => `- ${sentence(siege)}`),
    '',
    `| attack | what it tries | ${names.join(' | ')} |`,
    `|---|---|${names.map(() => '---|').join('')}`,
    ...attacks.map(({ id, title }) => `| ${id} | ${escaped(title)} | ${sieges.map((one) => cell(one, id)).join(' | ')} |`),
    '',
  ].join('\n')
}

function sentence({ deployment, seconds, outcomes }: Siege): string {
  const contained = outcomes.filter(({ faults }) => faults.length === 0).length
  return `${deployment}: ${contained} of ${outcomes.length} contained, all of them in ${Math.round(seconds)} s.`
}

function cell({ outcomes }: Siege, id: string): string {
  const outcome = outcomes.find((one) => one.id === id)
  if (outcome === undefined) return ''
  const { faults, statuses, milliseconds } = outcome
  const verdict = faults.length === 0 ? statuses : `**${faults.map(({ text }) => escaped(text)).join('; ')}**`
  return `${verdict}, ${milliseconds} ms`
}

const escaped = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;')
