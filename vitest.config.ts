import { defineConfig } from 'vitest/config'

const UNIT = ['{core,telemetry,broker,k8s,api,runner,local}/**/*.test.ts', 'tests/*.test.ts']

export default defineConfig({
  test: {
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
    ],
  },
})
