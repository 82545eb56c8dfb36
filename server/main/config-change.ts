import { isDeepStrictEqual } from 'node:util'
import type { FleetChange } from '../collector/fleet/members.ts'
import type { Config } from '../config/schema.ts'

/** What another configuration means for the one that is in force. */
export interface ConfigChange {
  /** What can be in force without a restart: the new one, with the old values where a restart is needed. */
  config: Config
  /** Keys that differ from what the process began with and wait for the next start. */
  needsRestart: string[]
  /** Other keys that change now, nodes and regions apart. */
  keys: string[]
}

/** Where `a` and `b` differ, one level below `path`. */
const differing = (path: string, a: object, b: object): string[] => {
  const [before, after] = [a, b] as Record<string, unknown>[]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((key) => !isDeepStrictEqual(before?.[key], after?.[key]))
    .map((key) => `${path}.${key}`)
}

const byName = (channels: Config['notify']): object =>
  Object.fromEntries(channels.map((channel) => [channel.name, channel]))

/**
 * Compares a configuration that was read with the one in force.
 *
 * @param inForce what holds now; of what needs a restart it has the values that the process began with
 * @param changedNodes embedded nodes whose entries differ from what they run with
 */
export const changeOf = (inForce: Config, next: Config, changedNodes: readonly string[]): ConfigChange => {
  const { intervalMs } = inForce.polling
  // A poll must end before the next one begins, and the interval does not change until a restart.
  const isTooLong = next.polling.timeoutMs >= intervalMs
  const timeoutMs = isTooLong ? inForce.polling.timeoutMs : next.polling.timeoutMs
  const running = new Map(inForce.embedded.map((node) => [node.id, node]))
  const embedded = next.embedded.map((node) =>
    changedNodes.includes(node.id) ? (running.get(node.id) ?? node) : node,
  )
  // A node that keeps running in a removed region would be in no region.
  const kept = inForce.regions.filter(
    ({ id }) =>
      embedded.some((node) => node.region === id) && !next.regions.some((region) => region.id === id),
  )
  const config: Config = {
    ...next,
    server: inForce.server,
    store: inForce.store,
    polling: { ...next.polling, intervalMs, timeoutMs },
    regions: [...next.regions, ...kept],
    embedded,
  }
  return {
    config,
    needsRestart: [
      ...differing('server', inForce.server, next.server),
      ...differing('store', inForce.store, next.store),
      ...(intervalMs === next.polling.intervalMs ? [] : ['polling.intervalMs']),
      ...(isTooLong ? ['polling.timeoutMs'] : []),
      ...next.embedded.flatMap(({ id }, index) =>
        changedNodes.includes(id) ? [`embedded[${index}] (${id})`] : [],
      ),
    ],
    keys: [
      ...differing('polling', inForce.polling, config.polling),
      ...differing('detect', inForce.detect, config.detect),
      ...differing('retention', inForce.retention, config.retention),
      ...differing('notify', byName(inForce.notify), byName(config.notify)),
    ],
  }
}

const names = (ids: readonly string[]): string =>
  ids.length <= 5 ? ids.join(', ') : `${ids.slice(0, 5).join(', ')} and ${ids.length - 5} more`

/** What a change did, in a few words: `2 nodes added (a, b), 1 region changed (fra)`; empty where it did nothing. */
export const summaryOf = (
  { added, removed, changed, regions }: FleetChange,
  keys: readonly string[],
): string => {
  const part = (ids: readonly string[], what: string, done: string): string[] =>
    ids.length === 0 ? [] : [`${ids.length} ${what}${ids.length === 1 ? '' : 's'} ${done} (${names(ids)})`]
  const idsOf = (nodes: readonly { id: string }[]): string[] => nodes.map(({ id }) => id)
  return [
    ...part(idsOf(added), 'node', 'added'),
    ...part(idsOf(removed), 'node', 'removed'),
    ...part(idsOf(changed), 'node', 'changed'),
    ...part(regions, 'region', 'changed'),
    ...part(keys, 'key', 'changed'),
  ].join(', ')
}
