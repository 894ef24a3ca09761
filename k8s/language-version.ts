import type { Jobs } from './jobs.ts'
import { ANNOTATION, LABEL } from './labels.ts'

/**
 * Where the version of a language is written: on warm Jobs, whose annotations are small, and where none is kept warm (`warm: 0`) on one that ran an execution. A
 * Job that holds records only, and one of an execution that never started, had no agent to say it.
 */
const PLACES = [
  `${LABEL.state}=warm`,
  `${LABEL.state}=running,!${LABEL.ranOn}`,
  `${LABEL.state}=finished,${LABEL.status}!=lost,!${LABEL.ranOn}`,
]

/** A finished Job has a record of up to 256 KiB: so they are asked for one by one, and the first one says it. */
const PAGE_SIZE = 1

/**
 * The version of the interpreter that a sandbox of this language was last found to have, in any of the namespaces; undefined when none was yet.
 * @throws KubeError
 */
export async function seenVersion(
  namespaces: readonly Pick<Jobs, 'list'>[],
  language: string,
): Promise<string | undefined> {
  for (const place of PLACES) {
    for (const jobs of namespaces) {
      for await (const { metadata } of jobs.list(`${LABEL.language}=${language},${place}`, PAGE_SIZE)) {
        const version = metadata.annotations?.[ANNOTATION.version]
        if (version !== undefined) return version
      }
    }
  }
  return undefined
}
