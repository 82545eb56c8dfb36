/** What the demo's main thread and its traffic thread tell each other. */

/** Where a node is, for its visitors. Ports are the node's for its whole life, also while it is drained. */
export interface TrafficNode {
  id: string
  region: string
  controlUrl: string
  controlToken: string
  tcpPort: number
  httpPort: number
  healthPort: number
  relayPort: number
}

export interface TrafficStart {
  /** Nodes that get a push endpoint each. */
  nodes: { id: string; region: string }[]
  /** Host id → token. */
  hostTokens: Record<string, string>
  /** Where the certificate authority of the push endpoints and the provider's signing key are written. */
  caPath: string
  keyPath: string
  logLevel: string
}

export type ToTraffic =
  | { type: 'begin'; id: number; nodes: TrafficNode[] }
  | { type: 'moved'; id: number; node: TrafficNode }
  | { type: 'stuck'; id: number; node: string; on: boolean }
  | { type: 'stop'; id: number }
  | { type: 'close'; id: number }

export type FromTraffic =
  | { type: 'ready'; echoPort: number; webPort: number; endpoints: Record<string, number> }
  | { type: 'failed'; message: string }
  | { type: 'done'; id: number; error?: string }
