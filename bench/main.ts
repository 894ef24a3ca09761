/**
 * `npm run bench [embedded] [cluster]`: one table, all ratios from this run.
 * The cluster part needs KUBECONFIG and an installed release: RELEASE (default runlet), NAMESPACE (default default), INGRESS_URL (default http://127.0.0.1:30080).
 */
import { benchCluster } from './cluster.ts'
import { benchEmbedded } from './embedded.ts'
import { formatTable, type Row } from './table.ts'

const wanted = process.argv.slice(2)
const parts = { embedded: benchEmbedded, cluster: benchCluster }
const unknown = wanted.filter((name) => !(name in parts))
if (unknown.length > 0)
  throw new Error(`There is no part called ${unknown.join(', ')}: ${Object.keys(parts).join(', ')} are`)

const rows: Row[] = []
for (const [name, bench] of Object.entries(parts)) {
  if (wanted.length > 0 ? !wanted.includes(name) : name === 'cluster' && process.env.KUBECONFIG === undefined) continue
  console.error(`bench: ${name} ...`)
  rows.push(...(await bench()))
}
console.log(formatTable(rows))
