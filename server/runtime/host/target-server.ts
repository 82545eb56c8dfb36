import type { Agent } from 'node:http'
import type { Log } from '../../observe/log.ts'

/** The server that answers what arrives on a tunnel's streams. */
export interface TargetServer {
  readonly host: string
  readonly port: number
  /** The value of `Host` where the request brings none. */
  readonly authority: string
  /** A path before every request's; empty, or without a slash at its end. */
  readonly base: string
  readonly agent: Agent
  readonly log: Log
}
