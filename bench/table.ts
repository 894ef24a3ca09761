import type { Summary } from './statistics.ts'

export interface Row {
  what: string
  where: string
  summary?: Summary
  value?: string
  /** The row that this one is compared with, and the ratio to reach: below `goal` for times. */
  against?: { name: string; p50: number; goal?: number }
}

const milliseconds = (value: number | undefined) => (value === undefined ? '' : value.toFixed(2))

function ratio({ summary, against }: Row): string {
  if (!summary || !against) return ''
  const value = summary.p50 / against.p50
  const verdict =
    against.goal === undefined
      ? ''
      : value < against.goal
        ? ` (goal < ${against.goal}: reached)`
        : ` (goal < ${against.goal}: MISSED)`
  return `${value.toFixed(2)} x ${against.name}${verdict}`
}

/** The table as aligned text, times in milliseconds. */
export function formatTable(rows: readonly Row[]): string {
  const cells = [
    ['what', 'where', 'n', 'p50 ms', 'p95 ms', 'p99 ms', 'per second', 'ratio of p50 / value'],
    ...rows.map((row) => [
      row.what,
      row.where,
      String(row.summary?.count ?? ''),
      milliseconds(row.summary?.p50),
      milliseconds(row.summary?.p95),
      milliseconds(row.summary?.p99),
      row.summary?.perSecond?.toFixed(1) ?? '',
      row.value ?? ratio(row),
    ]),
  ]
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? []
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
