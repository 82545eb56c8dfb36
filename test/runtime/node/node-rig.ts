import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { DrainBudget } from '../../../server/contract/drain-budget.ts'
import { type NodeConfig, nodeConfigSchema } from '../../../server/contract/node-config.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { buildNode } from '../../../server/runtime/node/tidegate-node.ts'
import type { TidegateNode } from '../../../server/runtime/part/node-face.ts'
import type { NodeParts } from '../../../server/runtime/part/node-parts.ts'
import { createRelay } from '../../../server/runtime/relay/relay.ts'
import { relayConfig, silent, tinyBudget } from '../drain/drain-rig.ts'

export const CONTROL_TOKEN = 'control-token-of-the-test'

export interface NodeRig {
  node: TidegateNode
  url: string
  dataDir: string
  /** One call with the control token unless `headers` says otherwise. */
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: unknown; headers: Headers }>
  end(): Promise<void>
}

export interface NodeRigOptions {
  hosts?: readonly string[]
  budget?: Partial<DrainBudget>
  dataDir?: string
  relayPort?: number
  parts?: (config: NodeConfig) => Partial<NodeParts>
  exit?: () => void
}

/** A standalone node with a real relay and a control listener on free ports. */
export const startNodeRig = async (options: NodeRigOptions = {}): Promise<NodeRig> => {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'tidegate-node-')))
  const config = nodeConfigSchema.parse({
    id: 'fra-1',
    region: 'fra',
    control: { port: 0, token: CONTROL_TOKEN },
    relay: relayConfig(options.hosts ?? [], { port: options.relayPort ?? 0 }),
  })
  const node = buildNode(config, {
    log: silent,
    budget: tinyBudget(options.budget),
    dataDir,
    exit: options.exit,
    makeParts: (context, state) => ({
      ...(config.relay === undefined
        ? {}
        : { relay: createRelay(config.relay, context, createMemoryDirectory(), { state }) }),
      ...options.parts?.(config),
    }),
  })
  await node.start()
  const url = node.control?.url ?? ''
  return {
    node,
    url,
    dataDir,
    async call(method, path, body, headers = { authorization: `Bearer ${CONTROL_TOKEN}` }) {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await answer.text()
      const json = answer.headers.get('content-type')?.startsWith('application/json') === true
      return { status: answer.status, body: json ? JSON.parse(text) : text, headers: answer.headers }
    },
    async end() {
      await node.destroy()
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export interface EventReader {
  frames: Record<string, unknown>[]
  socket: WebSocket
  /** Resolves when a frame fits, also one that came already. */
  until(fits: (frame: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
  close(): Promise<void>
}

/** Follows a node's events over WebSocket. */
export const readEvents = async (url: string, after?: string): Promise<EventReader> => {
  const query = after === undefined ? '' : `?after=${encodeURIComponent(after)}`
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/events${query}`, {
    headers: { authorization: `Bearer ${CONTROL_TOKEN}` },
  })
  const frames: Record<string, unknown>[] = []
  const looks = new Set<() => void>()
  socket.on('message', (data) => {
    frames.push(JSON.parse(String(data)))
    for (const look of [...looks]) look()
  })
  await once(socket, 'open')
  return {
    frames,
    socket,
    until: (fits) =>
      new Promise((resolve) => {
        const look = () => {
          const found = frames.find(fits)
          if (found === undefined) return
          looks.delete(look)
          resolve(found)
        }
        looks.add(look)
        look()
      }),
    async close() {
      if (socket.readyState === WebSocket.CLOSED) return
      socket.terminate()
      await once(socket, 'close')
    },
  }
}
