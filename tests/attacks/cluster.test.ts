import { describeTier } from './tier.ts'

// Several attacks want company at the same time; the pods of those before them are still on their way out.
describeTier('cluster', {
  python: { warm: 3, max: 8 },
  javascript: { warm: 2, max: 6 },
  bash: { warm: 1, max: 4 },
  atOnce: 3,
})
