import { describeTier } from './tier.ts'

const nested = (slots: number) => ({ tier: 'nested', nested: { slots }, warm: slots, max: 2 * slots })

// Attacks share a pod with each other, as executions do.
describeTier('nested', { python: nested(6), javascript: nested(4), bash: nested(4), atOnce: 4 })
