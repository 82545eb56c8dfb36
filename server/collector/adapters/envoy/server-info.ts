import { cleanText, depthOf } from '../untrusted-json.ts'

/** States of the server by `envoy.admin.v3.ServerInfo.State`. */
const STATES = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING'] as const
export type ServerState = (typeof STATES)[number]

/** What `GET /server_info` says. */
export interface ServerInfo {
  readonly state: ServerState
  readonly version: string | null
  readonly uptimeMs: number | null
  /** Ascends with each hot restart; null where it is not told. */
  readonly restartEpoch: number | null
  /** The part of the answer that is shown: the whole holds every extension, and whatever a mesh writes into `metadata`. */
  readonly shown: Readonly<Record<string, unknown>>
}

/** A mesh nests its `metadata`; what is read lies within the first two levels. */
const MAX_DEPTH = 64
const BEGINNING = 40
const DURATION = /^(\d+(?:\.\d+)?)s$/

/** Reads an answer, or says in a sentence why it is none. Never throws. */
export const readServerInfo = (text: string): ServerInfo | { fault: string } => {
  const info = parsed(text)
  if (info === null)
    return {
      fault: `the answer to /server_info is not JSON; it begins with ${JSON.stringify(cleanText(text.slice(0, BEGINNING)))}`,
    }
  const { version, state, uptime_current_epoch: uptime, uptime_all_epochs: all } = info
  if (typeof version !== 'string' || typeof all !== 'string')
    return {
      fault: 'the answer to /server_info is not that of an Envoy; url is its administration interface',
    }
  // In proto3 JSON the first of a list of names may be left out.
  const known = STATES.find((name) => name === (state ?? 'LIVE'))
  if (known === undefined)
    return {
      fault: `the state in /server_info is ${JSON.stringify(cleanText(String(state)).slice(0, BEGINNING))}`,
    }
  const options = partOf(info.command_line_options)
  const epoch = options.restart_epoch
  return {
    state: known,
    version: versionOf(version),
    uptimeMs: msOf(uptime),
    restartEpoch: typeof epoch === 'number' && Number.isSafeInteger(epoch) && epoch >= 0 ? epoch : null,
    shown: {
      version: cleanText(version),
      state: known,
      ...textOf('uptime_current_epoch', uptime),
      ...textOf('uptime_all_epochs', all),
      ...textOf('hot_restart_version', info.hot_restart_version),
      node: { ...textOf('id', partOf(info.node).id), ...textOf('cluster', partOf(info.node).cluster) },
    },
  }
}

const parsed = (text: string): Record<string, unknown> | null => {
  if (depthOf(text) > MAX_DEPTH) return null
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

const partOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

const textOf = (name: string, value: unknown): Record<string, string> =>
  typeof value === 'string' ? { [name]: cleanText(value) } : {}

/** `<commit>/1.37.2/Clean/RELEASE/BoringSSL`: the number is what people know it by. */
const versionOf = (version: string): string =>
  cleanText(version.split('/').find((part) => /^\d+\.\d+\.\d+/.test(part)) ?? version)

/** A duration as proto3 JSON writes it, in ms. */
const msOf = (duration: unknown): number | null => {
  const seconds = typeof duration === 'string' ? DURATION.exec(duration)?.[1] : undefined
  return seconds === undefined ? null : Number(seconds) * 1_000
}
