import { expect, it } from 'vitest'
import type { Log } from '../core/log.ts'
import { FakeKube } from '../tests/fakes/kube.ts'
import { removeFormerLife } from './former-life.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

it('removes what a runner of the same name left, and neither records nor what others have', async () => {
  const http = new FakeKube()
  const create = (name: string, runner: string, state: string, annotations = {}) => {
    const labels = { 'app.kubernetes.io/managed-by': 'runlet', 'runlet.dev/runner': runner, 'runlet.dev/state': state }
    const body = { metadata: { name, labels, annotations } }
    return http.call({ method: 'POST', path: '/apis/batch/v1/namespaces/boxes/jobs', body })
  }
  for (const state of ['starting', 'warm', 'running', 'finished']) await create(`mine-${state}`, 'runner-1', state)
  await create('mine-recorded', 'runner-1', 'running', { [`runlet.dev/execution-${'a'.repeat(48)}`]: '{}' })
  await create('another', 'runner-2', 'warm')
  const options = { http, namespaces: ['boxes'], runner: 'runner-1', log: silent }
  expect(await removeFormerLife(options)).toBe(3)
  const names = http.all('jobs').map(({ metadata }) => metadata.name)
  expect(names).toEqual(['mine-finished', 'mine-recorded', 'another'])
  expect(await removeFormerLife(options)).toBe(0)
})
