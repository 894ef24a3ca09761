import type { Readiness } from '../telemetry/server.ts'

/**
 * Whether a replica should get requests: once it has read what is recorded and has reached the queue, until it drains.
 * A queue that is lost later does not count: it is lost for all replicas alike, and an Ingress without any would answer in their place, without saying when to
 * try again. They answer 503 with Retry-After themselves, and checks still work.
 */
export function createReadiness({
  records,
  publisher,
  draining,
}: {
  records: { readonly synced: boolean }
  publisher: { readonly connected: boolean }
  draining: AbortSignal
}): () => Readiness {
  let wasConnected = false
  return () => {
    wasConnected ||= publisher.connected
    if (draining.aborted) return { ok: false, reason: 'shutting down' }
    if (!records.synced) return { ok: false, reason: 'the results are still being read from Kubernetes' }
    if (!wasConnected) return { ok: false, reason: 'the queue has not been reached yet' }
    return { ok: true }
  }
}
