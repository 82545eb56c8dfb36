import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { type NodeDrainRequest, nodeDrainSchema } from '../../../server/contract/node-api.ts'
import { IntentFile } from '../../../server/runtime/drain/intent.ts'
import { type DrainRig, eventOf, registerHost, silent, startDrainRig } from './drain-rig.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const rigOf = async (options?: Parameters<typeof startDrainRig>[0]): Promise<DrainRig> => {
  const rig = await startDrainRig(options)
  ends.push(() => rig.end())
  return rig
}

const order = (change: Partial<NodeDrainRequest> = {}): NodeDrainRequest =>
  nodeDrainSchema.parse({ drainId: 'drain-1', reason: 'kernel update', initiator: 'ops', ...change })

const phasesOf = (rig: DrainRig): string[] =>
  rig.events
    .read(0, 10_000)
    .events.filter((event) => event.type === 'drain.phase_changed')
    .map((event) => String((event.data as { to: string }).to))

const lastLine = (rig: DrainRig) => rig.logged.at(-1)

const settledState = async (rig: DrainRig, state: string) =>
  vi.waitFor(() => expect(rig.drain.status().state).toBe(state), { timeout: 10_000 })

describe('a drain', () => {
  it('walks the phases in order, says readiness no at once, and holds', async () => {
    const rig = await rigOf({ budget: { preDrainSeconds: 0.5 } })
    const status = await rig.drain.begin(order())
    expect(status).toMatchObject({ drainId: 'drain-1', state: 'draining', phase: 'pre_drain' })
    expect(rig.web.readiness).toEqual({ ready: false, reason: 'draining' })
    expect((await fetch(`${rig.web.url}/`)).status, 'still served in phase 1').toBe(503)

    await rig.drain.settled()
    expect(phasesOf(rig)).toEqual(['pre_drain', 'connections', 'tunnels'])
    expect(rig.states).toEqual(['draining', 'drained'])
    await expect(fetch(`${rig.web.url}/`)).rejects.toThrow()
    const completed = await eventOf(rig.events, 'drain.completed')
    expect(completed.data).toMatchObject({ drainId: 'drain-1', scope: 'node', warnings: [] })
    expect(completed.data.phases.map((phase) => phase.phase)).toEqual(['pre_drain', 'connections', 'tunnels'])
    expect(completed.data.phases[0]?.actualMs).toBeGreaterThanOrEqual(499)
    expect(lastLine(rig)).toMatchObject({
      message: 'drain complete',
      facts: {
        phasesMs: {
          pre_drain: expect.any(Number),
          connections: expect.any(Number),
          tunnels: expect.any(Number),
        },
      },
    })
    expect(rig.web.calls, 'hold skips cleanup').not.toContain('close')
  })

  it('lets the HTTP request in flight finish before it goes on', async () => {
    const rig = await rigOf()
    const answer = fetch(`${rig.web.url}/held`).then((response) => response.text())
    await vi.waitFor(() => expect(rig.web.held).toHaveLength(1))
    await rig.drain.begin(order())
    await eventOf(rig.events, 'drain.phase_changed', ({ data }) => data.to === 'connections')
    expect(rig.drain.status().remaining).toMatchObject({ requests: 1 })
    rig.web.release()
    expect(await answer).toBe('finished')
    await rig.drain.settled()
    expect(rig.drain.status().state).toBe('drained')
    expect(rig.web.calls).not.toContain('abortRest')
  })

  it('aborts what is left at the deadline of a forced drain and awaits that it is gone', async () => {
    const rig = await rigOf()
    const answer = fetch(`${rig.web.url}/held`).then(
      () => 'answered',
      () => 'cut',
    )
    await vi.waitFor(() => expect(rig.web.held).toHaveLength(1))
    await rig.drain.begin(order({ deadlineSeconds: 0, onDeadline: 'force' }))
    await rig.drain.settled()
    expect(await answer).toBe('cut')
    expect(rig.web.calls.indexOf('aborted')).toBeGreaterThan(rig.web.calls.indexOf('abortRest'))
    const exceeded = await eventOf(rig.events, 'drain.budget_exceeded')
    expect(exceeded.data).toEqual({ drainId: 'drain-1', phase: 'connections', budgetMs: 0, left: 1 })
    expect(rig.drain.health().requestsFailed, 'a visitor lost an answer').toBe(1)
    expect(lastLine(rig)?.message).toBe('drain complete with warnings: 1 request was cut after 0 s')
  })

  it('waits beyond the deadline by default and says what is left', async () => {
    const rig = await rigOf()
    const answer = fetch(`${rig.web.url}/held`).then((response) => response.text())
    await vi.waitFor(() => expect(rig.web.held).toHaveLength(1))
    await rig.drain.begin(order({ deadlineSeconds: 0 }))
    await eventOf(rig.events, 'drain.budget_exceeded')
    expect(rig.drain.status()).toMatchObject({
      phase: 'connections',
      state: 'draining',
      remaining: { requests: 1 },
    })
    rig.web.release()
    expect(await answer).toBe('finished')
    await rig.drain.settled()
    expect(rig.drain.status().state).toBe('drained')
  })

  it('serves again at the deadline where the order says resume', async () => {
    const rig = await rigOf()
    const answer = fetch(`${rig.web.url}/held`).then((response) => response.text())
    await vi.waitFor(() => expect(rig.web.held).toHaveLength(1))
    await rig.drain.begin(order({ deadlineSeconds: 0, onDeadline: 'resume' }))
    const aborted = await eventOf(rig.events, 'drain.aborted')
    expect(aborted.data).toMatchObject({ drainId: 'drain-1', end: 'serving' })
    await rig.drain.settled()
    expect(rig.drain.status()).toMatchObject({ drainId: null, state: 'serving', phase: null })
    expect((await fetch(`${rig.web.url}/`)).status).toBe(200)
    expect((await IntentFile.open(rig.dataDir, silent)).current).toEqual({})
    rig.web.release()
    expect(await answer).toBe('finished')
  })

  it('answers the same id with the drain that runs or holds, and another id with ERR_DRAIN_RUNNING', async () => {
    const rig = await rigOf()
    await rig.drain.begin(order())
    expect(await rig.drain.begin(order())).toMatchObject({ drainId: 'drain-1', state: 'draining' })
    await expect(rig.drain.begin(order({ drainId: 'drain-2' }))).rejects.toMatchObject({
      code: 'ERR_DRAIN_RUNNING',
      facts: { drainId: 'drain-1' },
    })
    await rig.drain.settled()
    expect(await rig.drain.begin(order())).toMatchObject({ drainId: 'drain-1', state: 'drained' })
    await expect(rig.drain.begin(order({ drainId: 'drain-2' }))).rejects.toMatchObject({
      code: 'ERR_DRAIN_RUNNING',
    })
    expect(phasesOf(rig)).toEqual(['pre_drain', 'connections', 'tunnels'])
  })

  it('writes the wish before it acts, readable by the owner alone, and clears it on resume', async () => {
    const rig = await rigOf()
    await rig.drain.begin(order())
    const path = join(rig.dataDir, 'intent.json')
    expect(JSON.parse(await readFile(path, 'utf8')).drain).toMatchObject({
      drainId: 'drain-1',
      reason: 'kernel update',
    })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await rig.drain.settled()
    expect(await rig.drain.resume()).toMatchObject({ state: 'serving', drainId: null })
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({})
    expect((await fetch(`${rig.web.url}/`)).status).toBe(200)
  })

  it('does not drain when the wish cannot be written', async () => {
    const rig = await rigOf()
    rig.intent.write = () => Promise.reject(new Error('disk full'))
    await expect(rig.drain.begin(order())).rejects.toThrow('disk full')
    expect(rig.drain.status()).toMatchObject({ state: 'serving', drainId: null })
    expect(rig.web.readiness).toEqual({ ready: true })
  })

  it('is aborted by a resume and serves again', async () => {
    const rig = await rigOf()
    const answer = fetch(`${rig.web.url}/held`).then((response) => response.text())
    await vi.waitFor(() => expect(rig.web.held).toHaveLength(1))
    await rig.drain.begin(order())
    await eventOf(rig.events, 'drain.phase_changed', ({ data }) => data.to === 'connections')
    expect(await rig.drain.resume()).toMatchObject({ state: 'serving', drainId: null })
    expect((await eventOf(rig.events, 'drain.aborted')).data).toMatchObject({
      drainId: 'drain-1',
      scope: 'node',
    })
    expect((await fetch(`${rig.web.url}/`)).status).toBe(200)
    rig.web.release()
    expect(await answer).toBe('finished')
    expect(rig.states).toEqual(['draining', 'serving'])
    await rig.drain.begin(order({ drainId: 'drain-2' }))
    await rig.drain.settled()
    expect(rig.drain.status()).toMatchObject({ drainId: 'drain-2', state: 'drained' })
  })

  it('stays drained with ERR_PORT_TAKEN when a port was taken meanwhile, and resumes once it is free', async () => {
    const rig = await rigOf({ hosts: [] })
    const port = Number(new URL(rig.web.url).port)
    await rig.drain.begin(order())
    await rig.drain.settled()
    const squatter = createServer().listen(port, '127.0.0.1')
    await once(squatter, 'listening')
    await expect(rig.drain.resume()).rejects.toMatchObject({ code: 'ERR_PORT_TAKEN' })
    expect(rig.drain.status()).toMatchObject({ state: 'drained', drainId: 'drain-1' })
    expect((await IntentFile.open(rig.dataDir, silent)).current.drain?.drainId).toBe('drain-1')
    expect(rig.relay?.listeners(), 'nothing stays bound').toEqual([])
    squatter.close()
    await once(squatter, 'close')
    expect(await rig.drain.resume()).toMatchObject({ state: 'serving' })
    expect(rig.relay?.listeners()).toHaveLength(1)
  })

  it('ends the process in mode exit, after cleanup, with the wish cleared; an embedded node refuses it', async () => {
    const rig = await rigOf()
    await rig.drain.begin(order({ mode: 'exit' }))
    await rig.drain.settled()
    expect(phasesOf(rig)).toEqual(['pre_drain', 'connections', 'tunnels', 'cleanup'])
    expect(rig.exits).toBe(1)
    expect(rig.states).toEqual(['draining', 'stopping'])
    expect((await IntentFile.open(rig.dataDir, silent)).current).toEqual({})

    const embedded = await rigOf({ embedded: true })
    await expect(embedded.drain.begin(order({ mode: 'exit' }))).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
    })
    expect(embedded.drain.status().state).toBe('serving')
  })
})

describe('a signal', () => {
  it('walks all four phases once, however often it comes', async () => {
    const rig = await rigOf()
    await Promise.all([rig.drain.signal('SIGTERM'), rig.drain.signal('SIGINT')])
    expect(phasesOf(rig)).toEqual(['pre_drain', 'connections', 'tunnels', 'cleanup'])
    expect(rig.states).toEqual(['draining', 'stopping'])
    expect(lastLine(rig)?.message).toBe('drain complete')
    await expect(rig.drain.begin(order())).rejects.toMatchObject({ code: 'ERR_DRAIN_RUNNING' })
    await expect(rig.drain.resume()).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
  })

  it('takes over an operator drain that waits, with its own budgets', async () => {
    const rig = await rigOf({ budget: { httpSeconds: 0.1 } })
    const answer = fetch(`${rig.web.url}/held`).then(
      () => 'answered',
      () => 'cut',
    )
    await vi.waitFor(() => expect(rig.web.held).toHaveLength(1))
    await rig.drain.begin(order({ deadlineSeconds: 3600 }))
    await eventOf(rig.events, 'drain.phase_changed', ({ data }) => data.to === 'connections')
    await rig.drain.signal('SIGTERM')
    expect(await answer).toBe('cut')
    expect(phasesOf(rig)).toEqual(['pre_drain', 'connections', 'tunnels', 'cleanup'])
    expect(lastLine(rig)?.message).toContain('drain complete with warnings: 1 request was cut')
    expect((await IntentFile.open(rig.dataDir, silent)).current.drain?.drainId, 'the wish survives').toBe(
      'drain-1',
    )
  })

  it('goes straight to cleanup where the node is held drained', async () => {
    const rig = await rigOf()
    await rig.drain.begin(order())
    await rig.drain.settled()
    await rig.drain.signal('SIGTERM')
    expect(phasesOf(rig)).toEqual(['pre_drain', 'connections', 'tunnels', 'cleanup'])
    expect(rig.states).toEqual(['draining', 'drained', 'stopping'])
  })
})

describe('tunnels', () => {
  it('hear of the drain at least 500 ms before they are closed with 4001', async () => {
    const rig = await rigOf({ hosts: ['host-a'] })
    const port = rig.relay?.listeners()[0]?.port
    const socket = new WebSocket(`ws://127.0.0.1:${port}/tunnel?hostId=host-a`, ['tidegate.v1'], {
      headers: { authorization: 'Bearer token-of-host-a' },
    })
    ends.push(async () => socket.terminate())
    let toldAt = 0
    socket.on('message', (data, binary) => {
      if (!binary && JSON.parse(String(data)).type === 'drain') toldAt = performance.now()
    })
    const closed = new Promise<{ code: number; afterMs: number }>((resolve) =>
      socket.on('close', (code) => resolve({ code, afterMs: performance.now() - toldAt })),
    )
    await eventOf(rig.events, 'tunnel.registered')
    await rig.drain.begin(order())
    const { code, afterMs } = await closed
    expect(code).toBe(4001)
    expect(toldAt).toBeGreaterThan(0)
    expect(afterMs).toBeGreaterThanOrEqual(490)
    await rig.drain.settled()
    expect(rig.drain.status()).toMatchObject({ state: 'drained', remaining: { tunnels: 0 } })
    expect(rig.relay?.listeners()).toEqual([])
  })

  it('are refused from phase 1 on in an operator drain, and from phase 2 on for a signal', async () => {
    const operator = await rigOf({ hosts: ['host-a'] })
    await operator.drain.begin(order())
    expect(operator.drain.status().phase).toBe('pre_drain')
    expect(operator.relay?.stats().cordoned).toBe(true)

    const signalled = await rigOf({ hosts: ['host-a'], budget: { preDrainSeconds: 0.3 } })
    const ended = signalled.drain.signal('SIGTERM')
    await eventOf(signalled.events, 'drain.phase_changed', ({ data }) => data.to === 'pre_drain')
    expect(signalled.relay?.stats().cordoned).toBe(false)
    await eventOf(signalled.events, 'drain.phase_changed', ({ data }) => data.to === 'connections')
    await vi.waitFor(() => expect(signalled.relay?.stats().cordoned).toBe(true))
    await ended
  })

  it('are all closed with 4001 when the budget of phase 3 is over, and that is a warning', async () => {
    const rig = await rigOf({ hosts: ['host-a', 'host-b'], budget: { tunnelsSeconds: 0 } })
    const url = `ws://127.0.0.1:${rig.relay?.listeners()[0]?.port}`
    const hosts = await Promise.all([registerHost(url, 'host-a'), registerHost(url, 'host-b')])
    ends.push(() => Promise.all(hosts.map((host) => host.close())))
    await rig.drain.begin(order())
    await settledState(rig, 'drained')
    expect(rig.relay?.stats()).toMatchObject({ tunnels: { current: 0 }, closedBy: { '4001': 2 } })
    expect(lastLine(rig)?.message).toContain('2 of 2 tunnels were still there after 0 s')
  })

  it('are accepted again after a cordon is resumed, and the cordon is durable', async () => {
    const rig = await rigOf({ hosts: ['host-a'] })
    await rig.drain.cordon({ drainId: 'drain-1', reason: 'region drain' })
    expect(rig.relay?.stats().cordoned).toBe(true)
    expect((await IntentFile.open(rig.dataDir, silent)).current.cordon).toMatchObject({ drainId: 'drain-1' })
    await rig.drain.resume()
    expect(rig.relay?.stats().cordoned).toBe(false)
    expect((await IntentFile.open(rig.dataDir, silent)).current).toEqual({})
  })
})

describe('queued pushes', () => {
  it('are served in phases 1 and 2, then refused and flushed under the budget of phase 3', async () => {
    const calls: string[] = []
    const rig = await rigOf({
      push: {
        pending: () => 0,
        flush: async () => calls.push('flush'),
        refuse: (on) => calls.push(`refuse ${on}`),
        close: async () => undefined,
        destroy: () => undefined,
      },
    })
    rig.events.subscribe(({ type, data }) => {
      if (type === 'drain.phase_changed') calls.push(String((data as { to: string }).to))
    })
    await rig.drain.begin(order())
    await rig.drain.settled()
    await rig.drain.resume()
    expect(calls).toEqual(['pre_drain', 'connections', 'tunnels', 'refuse true', 'flush', 'refuse false'])
  })
})
