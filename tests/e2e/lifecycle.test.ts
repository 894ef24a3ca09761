import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, getAll, helm, kubectl } from '../helpers/cluster.ts'
import { Client } from '../helpers/cluster-client.ts'
import {
  componentPods,
  explainFailures,
  IMAGES,
  installRelease,
  RELEASE,
  type Release,
} from '../helpers/cluster-release.ts'
import { provideVolume } from '../helpers/cluster-volume.ts'

/** One release through its life: RabbitMQ with a volume, pods that die, an upgrade under load, its end. The tests build on each other. */
let release: Release
let client: Client
const cleanUp = new AsyncDisposableStack()

beforeAll(async () => {
  release = await installRelease(
    'life',
    // One more attempt, and then it is lost: so that a test can see that.
    { queue: { deliveryLimit: 1 } },
    async (namespace) => {
      const { values } = cleanUp.use(await provideVolume(namespace))
      return { rabbitmq: { persistence: { enabled: true, size: '1Gi', ...values } } }
    },
  )
  client = new Client(release.ask)
})
afterAll(async () => {
  await release?.[Symbol.asyncDispose]()
  await cleanUp.disposeAsync()
})
explainFailures(() => release)

const pods = (component: string) => componentPods(release, component)

const rollout = (kind: string, name: string) =>
  kubectl('-n', release.namespace, 'rollout', 'status', `${kind}/${RELEASE}-${name}`, '--timeout=3m')

describe('a release', () => {
  it('keeps what was scheduled when the pod of RabbitMQ goes, and goes on by itself', async () => {
    const ids = await Promise.all(
      Array.from({ length: 8 }, (_, index) => client.schedule({ language: 'python', code: `print(${index})` })),
    )
    await kubectl('-n', release.namespace, 'delete', 'pod', `${RELEASE}-rabbitmq-0`, '--wait=false')
    const executions = await Promise.all(ids.map((id) => client.finish(id, 170_000)))
    expect(executions.map(({ status, stdout }) => `${status} ${stdout}`)).toEqual(
      ids.map((_, index) => `succeeded ${index}\n`),
    )
    await rollout('statefulset', 'rabbitmq')
    await eventually('a run succeeds', async () => {
      return (await client.run({ language: 'python', code: 'print(1)' })).status === 'succeeded'
    })
  })

  it('finishes what a runner left when its pod was killed', async () => {
    const id = await client.schedule({ language: 'javascript', code: 'setTimeout(() => console.log("done"), 4000)' })
    const job = await eventually('it runs', async () => {
      const [found] = await getAll('jobs', '-n', release.sandboxes, '-l', `runlet.dev/execution-id=${id}`)
      return found
    })
    const runner = job.metadata.labels?.['runlet.dev/runner'] ?? ''
    await kubectl('-n', release.namespace, 'delete', 'pod', runner, '--grace-period=0', '--force')
    expect(await client.finish(id)).toMatchObject({ status: 'succeeded', stdout: 'done\n' })
  })

  it('says that an execution is lost when its sandbox goes in every attempt', async () => {
    const id = await client.schedule({ language: 'python', code: 'import time; time.sleep(50)' })
    const seen = new Set<string>()
    const status = await eventually(
      'it is over',
      async () => {
        for (const { metadata } of await getAll(
          'jobs',
          '-n',
          release.sandboxes,
          '-l',
          `runlet.dev/execution-id=${id},runlet.dev/state=running`,
        )) {
          if (seen.has(metadata.uid)) continue
          seen.add(metadata.uid)
          await kubectl('-n', release.sandboxes, 'delete', 'job', metadata.name, '--wait=false')
        }
        const { status: found } = await client.check(id)
        return found !== 'queued' && found !== 'running' && found
      },
      150_000,
    )
    expect([status, seen.size]).toEqual(['lost', 2])
  })

  it('is upgraded while it works: nothing is refused, nothing is lost, and a third language is there', async () => {
    const before = new Set((await pods('api')).map(({ metadata }) => metadata.uid))
    const ids: string[] = []
    const upgraded = release
      .upgrade({ languages: { bash: { image: IMAGES.bash, aliases: ['sh', 'shell'], warm: 1, max: 2 } } })
      .then(() => 'upgraded')
    let state: string | undefined
    while (state === undefined || ids.length < 5) {
      ids.push(await client.schedule({ language: 'python', code: `print(${ids.length})` }))
      state = await Promise.race([upgraded, sleep(2000, undefined)])
    }
    expect(state).toBe('upgraded')
    const executions = await Promise.all(ids.map((id) => client.finish(id, 170_000)))
    expect(executions.map(({ status, stdout }) => `${status} ${stdout}`)).toEqual(
      ids.map((_, index) => `succeeded ${index}\n`),
    )
    // A replica that is on its way out still answers for a moment, and knows only the old languages.
    await eventually('the old replicas are gone', async () => {
      const gone = (await pods('api')).every(({ metadata }) => !before.has(metadata.uid))
      return gone && (await release.ask('/api/languages')).text.includes('shell')
    })
    const code = 'read -r name; echo "Hello, $name and $1"'
    expect(await client.run({ language: 'sh', code, stdin: 'world\n', args: ['you'] })).toMatchObject({
      status: 'succeeded',
      stdout: 'Hello, world and you\n',
    })
  })

  it('keeps its key and its password over an upgrade', async () => {
    const secrets = async () =>
      JSON.stringify(
        await Promise.all(
          ['ids', 'rabbitmq'].map((name) =>
            kubectl('-n', release.namespace, 'get', 'secret', `${RELEASE}-${name}`, '-o', 'jsonpath={.data}'),
          ),
        ),
      )
    const before = await secrets()
    const pod = (await pods('rabbitmq'))[0]?.metadata.uid
    await release.upgrade({ api: { podAnnotations: { changed: 'yes' } } })
    expect(await secrets()).toBe(before)
    expect((await pods('rabbitmq'))[0]?.metadata.uid).toBe(pod)
  })

  it('leaves nothing behind', async () => {
    await release.uninstall()
    expect(await getAll('namespaces', '--field-selector', `metadata.name=${release.sandboxes}`)).toEqual([])
    expect(await getAll('jobs', '-n', release.sandboxes)).toEqual([])
    const kinds = 'pods,services,deployments,statefulsets,persistentvolumeclaims,secrets,ingresses,networkpolicies'
    await eventually('all is gone', async () => (await getAll(kinds, '-n', release.namespace)).length === 0)
    expect(await helm('list', '-n', release.namespace, '-q')).toBe('')
  })
})
