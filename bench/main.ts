/**
 * `npm run bench [embedded] [cluster] [nested]`: one table, all ratios from this run.
 * The other parts need KUBECONFIG and an installed release: RELEASE (default runlet), NAMESPACE (default default), INGRESS_URL (default http://127.0.0.1:30080).
 * For `nested` its languages must have that tier, and GO_JUDGE may name the binary of go-judge.
 */
import { benchCluster } from './cluster.ts'
import { benchEmbedded } from './embedded.ts'
import { benchNested } from './nested.ts'
import { formatTable, type Row } from './table.ts'

const wanted = process.argv.slice(2)
const parts = { embedded: benchEmbedded, cluster: benchCluster, nested: benchNested }
const unknown = wanted.filter((name) => !(name in parts))
if (unknown.length > 0)
  throw new Error(`There is no part called ${unknown.join(', ')}: ${Object.keys(parts).join(', ')} are`)

const rows: Row[] = []
for (const [name, bench] of Object.entries(parts)) {
  const isDefault = name === 'embedded' || (name === 'cluster' && process.env.KUBECONFIG !== undefined)
  if (wanted.length > 0 ? !wanted.includes(name) : !isDefault) continue
  console.error(`bench: ${name} ...`)
  rows.push(...(await bench()))
}
console.log(formatTable(rows))
