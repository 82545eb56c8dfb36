import { Agent, type IncomingMessage, request } from 'node:http'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'

/** One visitor's path: a host, by way of a relay. */
export interface Door {
  hostId: string
  port: number
  name: string
}

const askOnce = (agent: Agent, door: Door): Promise<string> =>
  new Promise((resolve) => {
    const req = request(
      { agent, host: '127.0.0.1', port: door.port, path: `/hosts/${door.hostId}/page` },
      (res) => {
        let body = ''
        res.on('data', (chunk) => {
          body += chunk
        })
        res.on('end', () =>
          resolve(res.statusCode === 200 ? 'ok' : `${res.statusCode} ${body.slice(0, 200)}`),
        )
        res.on('error', (error: NodeJS.ErrnoException) => resolve(`cut ${error.code}`))
      },
    )
    req.setTimeout(5_000, () => req.destroy(new Error('no answer within 5 s')))
    req.on('error', (error: NodeJS.ErrnoException) => resolve(`error ${error.code ?? error.message}`))
    req.end()
  })

/** Visitors that ask without a pause, one a door, over kept-alive connections, and remember every failure. */
export const hammer = (doors: readonly Door[]) => {
  const agent = new Agent({ keepAlive: true })
  const failures: { door: string; what: string; atMs: number }[] = []
  let asked = 0
  let going = true
  const begunMs = performance.now()
  const visit = async (door: Door): Promise<void> => {
    while (going) {
      const what = await askOnce(agent, door)
      asked += 1
      if (what !== 'ok')
        failures.push({ door: door.name, what, atMs: Math.round(performance.now() - begunMs) })
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const visits = doors.map(visit)
  const stop = async (): Promise<void> => {
    going = false
    await Promise.all(visits)
    agent.destroy()
  }
  onTestFinished(stop)
  return {
    failures,
    get asked() {
      return asked
    },
    stop,
  }
}

/** An idle WebSocket of a visitor. */
export const openSocket = async (door: Door) => {
  const ws = new WebSocket(`ws://127.0.0.1:${door.port}/hosts/${door.hostId}/live`)
  onTestFinished(() => ws.terminate())
  const state = { code: null as number | null, ws }
  ws.on('error', () => undefined)
  ws.on('close', (code) => {
    state.code = code
  })
  await new Promise((resolve, reject) => {
    ws.once('open', resolve)
    ws.once('error', reject)
  })
  return {
    state,
    /** One message there and back. */
    echo: (text: string): Promise<string> =>
      new Promise((resolve) => {
        ws.once('message', (data) => resolve(data.toString()))
        ws.send(text)
      }),
  }
}

/** A visitor's stream of server-sent events. */
export const openEvents = async (door: Door) => {
  const state = { cut: false, ended: false, events: 0 }
  const req = request({
    host: '127.0.0.1',
    port: door.port,
    path: `/hosts/${door.hostId}/events`,
    agent: false,
  })
  onTestFinished(() => {
    req.destroy()
  })
  req.end()
  const res = await new Promise<IncomingMessage>((resolve, reject) => {
    req.once('response', resolve)
    req.once('error', reject)
  })
  req.on('error', () => {
    state.cut = true
  })
  res.on('data', () => {
    state.events += 1
  })
  res.on('end', () => {
    state.ended = true
  })
  res.on('error', () => {
    state.cut = true
  })
  return { state, leave: () => req.destroy() }
}
