import { countWords, listWords } from '../../../contract/words.ts'
import { isCount } from '../facts.ts'
import { cleanText, readJson } from '../untrusted-json.ts'

/** One host of a cluster, as `envoy.admin.v3.HostStatus` tells it. */
export interface HostRow {
  readonly cluster: string
  readonly address: string
  /** What speaks against it, in words; empty where nothing does. */
  readonly faults: readonly string[]
  readonly weight: number | null
  readonly connections: number
  readonly requests: number
  readonly requestsTotal: number
  readonly requestsFailed: number
}

export interface ClusterRow {
  readonly name: string
  readonly hosts: number
  readonly healthy: number
  readonly connections: number
  readonly requests: number
}

export interface Clusters {
  readonly clusters: readonly ClusterRow[]
  readonly hosts: readonly HostRow[]
}

/** Flags of `envoy.admin.v3.HostHealthStatus` that keep a host from getting requests. */
const FAULTS = {
  failed_active_health_check: 'fails its health checks',
  failed_outlier_check: 'is ejected as an outlier',
  pending_active_hc: 'has not been checked yet',
  excluded_via_immediate_hc_fail: 'took itself out of service',
} as const

type Part = Record<string, unknown>

/** Reads `GET /clusters?format=json`; null where it is something else. Never throws. */
export const readClusters = (text: string): Clusters | null => {
  const read = readJson(text)
  if (!read.ok || typeof read.value !== 'object' || read.value === null) return null
  // An Envoy without clusters leaves the list out.
  const { cluster_statuses: list = [] } = read.value as Part
  if (!Array.isArray(list)) return null
  const clusters: ClusterRow[] = []
  const all: HostRow[] = []
  for (const cluster of list.map(partOf)) {
    const name = cleanText(String(cluster.name ?? ''))
    const hosts = listOf(cluster.host_statuses).map((host) => hostRow(name, host))
    all.push(...hosts)
    clusters.push({
      name,
      hosts: hosts.length,
      healthy: hosts.filter(({ faults }) => faults.length === 0).length,
      connections: hosts.reduce((sum, { connections }) => sum + connections, 0),
      requests: hosts.reduce((sum, { requests }) => sum + requests, 0),
    })
  }
  return { clusters, hosts: all }
}

/** Clusters of which no host is left: what goes there fails. */
export const clusterProblems = ({ clusters }: Clusters): string[] => {
  const dead = clusters.filter(({ hosts, healthy }) => hosts > 0 && healthy === 0)
  if (dead.length === 0) return []
  const [first] = dead
  return dead.length === 1 && first !== undefined
    ? [
        `cluster ${first.name} has no healthy host: ${first.hosts === 1 ? 'its only one' : `all ${countWords(first.hosts)}`} cannot be used`,
      ]
    : [`${countWords(dead.length)} clusters have no healthy host: ${listWords(dead.map(({ name }) => name))}`]
}

const hostRow = (cluster: string, host: Part): HostRow => {
  const health = partOf(host.health_status)
  const stats = new Map(listOf(host.stats).map(({ name, value }) => [name, numberOf(value)]))
  const faults: string[] = Object.entries(FAULTS).flatMap(([flag, words]) =>
    health[flag] === true ? [words] : [],
  )
  const eds = health.eds_health_status
  if (eds === 'UNHEALTHY' || eds === 'DRAINING' || eds === 'TIMEOUT')
    faults.push(`is ${eds} by its discovery service`)
  return {
    cluster,
    address: addressOf(partOf(host.address)),
    faults,
    weight: typeof host.weight === 'number' ? host.weight : null,
    connections: stats.get('cx_active') ?? 0,
    requests: stats.get('rq_active') ?? 0,
    requestsTotal: stats.get('rq_total') ?? 0,
    requestsFailed: stats.get('rq_error') ?? 0,
  }
}

const addressOf = (address: Part): string => {
  const { address: host, port_value: port } = partOf(address.socket_address)
  if (typeof host === 'string')
    return cleanText(`${host.includes(':') ? `[${host}]` : host}:${String(port ?? 0)}`)
  const { path } = partOf(address.pipe)
  return typeof path === 'string' ? cleanText(path) : 'internal'
}

/** 64-bit numbers are text in proto3 JSON, and zero is left out. */
const numberOf = (value: unknown): number => {
  const number = Number(value ?? 0)
  return isCount(number) ? number : 0
}

const partOf = (value: unknown): Part => (typeof value === 'object' && value !== null ? (value as Part) : {})
const listOf = (value: unknown): Part[] => (Array.isArray(value) ? value.map(partOf) : [])
