/** What is looked at again and again, by name. */
export type Sample = Record<string, number | string>

/** The same, said of one of several. */
export function sampleOf(whose: string, sample: Sample): Sample {
  return Object.fromEntries(Object.entries(sample).map(([what, value]) => [`${whose}: ${what}`, value]))
}

/** Markdown: a row for each thing that was looked at, a column for each time. */
export function formatSamples(samples: readonly { at: string; sample: Sample }[]): string {
  const names = Object.keys(samples[0]?.sample ?? {})
  const row = (cells: readonly (string | number | undefined)[]) => `| ${cells.map((cell) => cell ?? '').join(' | ')} |`
  return [
    row(['', ...samples.map(({ at }) => at)]),
    row(['---', ...samples.map(() => '---:')]),
    ...names.map((name) => row([name, ...samples.map(({ sample }) => sample[name])])),
  ].join('\n')
}

const MEBIBYTE = 2 ** 20

/** What a process says of itself on /metrics. */
export function processSample(text: string): Sample {
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1] ?? Number.NaN)
  const active = (type: string) => Number(new RegExp(`\\{type="${type}"\\} (\\d+)`).exec(text)?.[1] ?? 0)
  return {
    'resident memory, MiB': Math.round(value('process_resident_memory_bytes') / MEBIBYTE),
    'heap with room, MiB': Math.round(value('nodejs_heap_size_total_bytes') / MEBIBYTE),
    'heap, MiB': (value('nodejs_heap_size_used_bytes') / MEBIBYTE).toFixed(1),
    'buffers, MiB': (value('nodejs_external_memory_bytes') / MEBIBYTE).toFixed(1),
    descriptors: value('process_open_fds'),
    sockets: active('TCPSocketWrap'),
    timers: active('Timeout'),
  }
}
