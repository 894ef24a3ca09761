import { formatSamples, type Sample } from './table.ts'

const PARTS = 4

export interface Quarters {
  /** How the first column is called: what was there before the beginning. */
  begin: string
  count: number
  /** Does so many of them. */
  work(part: number): Promise<void>
  look(): Promise<Sample>
}

/** A table of looks before the work and after each quarter of it; as far as it is known it is on stderr meanwhile. */
export async function inQuarters({ begin, count, work, look }: Quarters): Promise<string> {
  const samples = [{ at: begin, sample: await look() }]
  for (let part = 1; part <= PARTS; part++) {
    await work(Math.round(count / PARTS))
    samples.push({ at: String(Math.round((count * part) / PARTS)), sample: await look() })
    process.stderr.write(`${formatSamples(samples)}\n`)
  }
  return formatSamples(samples)
}
