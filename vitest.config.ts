import { defineConfig } from 'vitest/config'

const UNIT = ['{core,telemetry,broker,k8s,api,runner,local}/**/*.test.ts', 'tests/*.test.ts']

/** Where CI wants a JSON report of each run, beside what people read; a name for each, since `npm test` runs vitest several times. */
const reports = process.env.TEST_REPORTS

export default defineConfig({
  test: {
    ...(reports && { reporters: ['default', ['json', { outputFile: `${reports}/vitest-${process.pid}.json` }]] }),
    projects: [
      { test: { name: 'unit', include: UNIT, testTimeout: 10_000 } },
      {
        test: {
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          globalSetup: ['tests/helpers/rabbitmq-server.ts'],
          testTimeout: 60_000,
          hookTimeout: 90_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
      // All attacks of a deployment run in one hook; one deployment after the other, since cases have an upper bound of time.
      {
        test: { name: 'attacks', include: ['tests/attacks/*.test.ts'], hookTimeout: 1_500_000, fileParallelism: false },
      },
      {
        test: {
          name: 'faults',
          include: ['tests/faults/**/*.test.ts'],
          globalSetup: ['tests/faults/helpers/report.ts'],
          testTimeout: 900_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
