import { loadAllYaml } from '@kubernetes/client-node'
import { run } from './cluster.ts'
import { CHART, type Values } from './cluster-release.ts'

/** What helm makes of the chart with these values. Needs helm, and no cluster. */
export async function renderChart<Manifest>(
  values: Values = {},
  { release = 'runlet', namespace = 'default' } = {},
): Promise<Manifest[]> {
  // Without a cluster helm guesses its version, and some builds of it guess a very old one.
  const args = ['template', release, CHART, '-n', namespace, '--kube-version', '1.33.0', '-f', '-']
  const text = await run('helm', args, { stdin: JSON.stringify(values) })
  return (loadAllYaml(text) as (Manifest | null)[]).filter((manifest) => manifest !== null)
}
