import type { Problem } from '../contract/errors.ts'
import { idSchema } from '../contract/ids.ts'
import { withoutCredentials } from './problem.ts'
import { configSchema } from './schema.ts'

/** A part of the file as it was written; the schema reports what has the wrong shape, which is skipped here. */
type Written = Record<string, unknown>

const partOf = (value: unknown): Written =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Written) : {}

const listOf = (value: unknown): Written[] => (Array.isArray(value) ? value.map(partOf) : [])

/** One form for all ways to write an address, without credentials and query, which may be secrets. */
const placeOf = (url: unknown): { place: string; query: string } | null => {
  if (typeof url !== 'string' || !URL.canParse(url)) return null
  const { protocol, host, pathname, search } = new URL(url)
  const place = `${protocol}//${host.replace(/\.(?=$|:)/, '')}${pathname.replace(/\/+$/, '')}`
  return { place, query: search }
}

/** One HAProxy speaks for many: which of its servers, or the process itself, is named beside its address. Null for any other entry. */
const behindProxy = ({
  kind,
  socket,
  address,
  backend,
  server,
}: Written): { at: string; key: string } | null => {
  const at = socket === undefined ? 'address' : 'socket'
  const place = socket ?? address
  return kind === 'haproxy' && typeof place === 'string'
    ? { at, key: `haproxy ${place} ${String(backend ?? '')}/${String(server ?? '')}` }
    : null
}

/** Thresholds for a place that there is not would change nothing, in silence. */
const unknownIn = (
  list: 'regions' | 'nodes',
  written: unknown,
  known: ReadonlySet<string> | null,
): Problem[] =>
  known === null
    ? []
    : Object.keys(partOf(written))
        .filter((id) => !known.has(id))
        .map((id) => ({
          path: `detect.${list}.${id}`,
          message: `names no ${list === 'regions' ? 'region' : 'node'} of this file; it must be one of ${list}: ${[...known].slice(0, 10).join(', ')}${known.size > 10 ? ', …' : ''}`,
        }))

const pollingSchema = configSchema.shape.polling.unwrap()
const pollingDefaults = configSchema.shape.polling.parse(undefined)

/** An entry that says how often, or for how long, it is asked: together with what it leaves to `polling`. */
const turnsOf = (entry: Written, polling: Written, at: string): Problem[] => {
  const own = ['timeoutMs', 'intervalMs'].filter((key) => entry[key] !== undefined)
  const [key] = own
  const { intervalMs, timeoutMs } = { ...polling, ...pick(entry, own) }
  if (key === undefined || typeof intervalMs !== 'number' || typeof timeoutMs !== 'number') return []
  if (timeoutMs < intervalMs) return []
  const [mine, its] = key === 'timeoutMs' ? [timeoutMs, intervalMs] : [intervalMs, timeoutMs]
  const other = key === 'timeoutMs' ? 'intervalMs' : 'timeoutMs'
  return [
    {
      path: `${at}.${key}`,
      message: `is ${mine}, ${own.includes(other) ? other : `polling.${other}`} is ${its}; a poll must finish before the next begins, for example timeoutMs: 3000 and intervalMs: 5000`,
    },
  ]
}

const pick = (entry: Written, keys: readonly string[]): Written =>
  Object.fromEntries(keys.map((key) => [key, entry[key]]))

/** Of an address that refers to a secret this form may hold it in lower case or escaped: that one is shown as it was written. */
const shownPlace = (place: string | undefined, written: unknown): string | undefined =>
  typeof written === 'string' && written.includes('${') ? withoutCredentials(written) : place

/**
 * Rules that hold between fields. They read the file before the schema has approved it, so that a mistake in one place does not
 * hide another elsewhere.
 *
 * @param source the file as it was written, references not yet replaced: of these, sentences show the names
 */
export const crossCheck = (file: unknown, source: unknown): Problem[] => {
  const config = partOf(file)
  const problems: Problem[] = []
  const { intervalMs, timeoutMs } = { ...pollingDefaults, ...partOf(config.polling) } as Written
  // An interval that cannot be is one mistake; what the timeout is beside it says nothing.
  const isIntervalRight = pollingSchema.shape.intervalMs.safeParse(intervalMs).success
  if (typeof timeoutMs === 'number' && isIntervalRight && timeoutMs >= Number(intervalMs)) {
    problems.push({
      path: 'polling.timeoutMs',
      message: `is ${timeoutMs}, polling.intervalMs is ${intervalMs}; a poll must finish before the next begins, for example 3000 and 5000`,
    })
  }
  const regions = new Set<string>()
  listOf(config.regions).forEach(({ id }, index) => {
    if (typeof id !== 'string') return
    if (regions.has(id))
      problems.push({
        path: `regions[${index}].id`,
        message: `is "${id}", which another region has; ids are unique`,
      })
    regions.add(id)
  })
  // A region that is itself misspelt would make every node of it a mistake too.
  const areRegionsKnown = regions.size > 0 && [...regions].every((id) => idSchema.safeParse(id).success)
  const nodes = new Set<string>()
  /** Where each node is asked, and the entry that said so first: a copied line would drain the wrong machine. */
  const places = new Map<string, string>()
  let isAnyNamed = false
  for (const list of ['nodes', 'embedded']) {
    isAnyNamed ||= config[list] !== undefined && !(Array.isArray(config[list]) && config[list].length === 0)
    listOf(config[list]).forEach((entry, index) => {
      const { id, region, kind, url } = entry
      if (list === 'nodes') problems.push(...turnsOf(entry, { intervalMs, timeoutMs }, `nodes[${index}]`))
      if (typeof id === 'string') {
        if (nodes.has(id))
          problems.push({
            path: `${list}[${index}].id`,
            message: `is "${id}", which another node has; ids are unique`,
          })
        nodes.add(id)
      }
      const behind = list === 'nodes' ? behindProxy(entry) : null
      const place = list === 'nodes' ? placeOf(url) : null
      // One program may answer for many by what it is asked for; the paths of a Tidegate node's calls are its own. What is looked at from
      // outside may be read from inside too.
      const key =
        place === null
          ? (behind?.key ?? null)
          : `${kind === 'http' ? 'seen ' : ''}${place.place}${kind === 'tidegate' ? '' : place.query}`
      const other = key === null ? undefined : places.get(key)
      if (other !== undefined)
        problems.push({
          path: `${list}[${index}].${behind?.at ?? 'url'}`,
          message: `is ${shownPlace(place?.place ?? String(entry[behind?.at ?? 'url']), listOf(partOf(source)[list])[index]?.[behind?.at ?? 'url'])}, where ${other} is asked already; each node has an address of its own`,
        })
      else if (key !== null) places.set(key, `${list}[${index}]${typeof id === 'string' ? ` (${id})` : ''}`)
      if (typeof region === 'string' && areRegionsKnown && !regions.has(region)) {
        problems.push({
          path: `${list}[${index}].region`,
          message: `is "${region}"; it must be one of regions: ${[...regions].join(', ')}`,
        })
      }
    })
  }
  listOf(config.notify).forEach((channel, index) => {
    const named = Array.isArray(channel.regions) ? channel.regions : []
    named.forEach((region, at) => {
      if (typeof region === 'string' && areRegionsKnown && !regions.has(region))
        problems.push({
          path: `notify[${index}].regions[${at}]`,
          message: `is "${region}"; it must be one of regions: ${[...regions].join(', ')}`,
        })
    })
  })
  const { detect } = config
  problems.push(
    ...unknownIn('regions', partOf(detect).regions, areRegionsKnown ? regions : null),
    ...unknownIn('nodes', partOf(detect).nodes, isAnyNamed ? nodes : null),
  )
  if (!isAnyNamed)
    problems.push({ path: 'nodes', message: 'is empty, and embedded too; name at least one node to watch' })
  return problems
}
