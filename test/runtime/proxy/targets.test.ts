import type { LookupAddress } from 'node:dns'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Names } from '../../../server/runtime/proxy/targets/names.ts'
import {
  deadPort,
  forward,
  httpRoute,
  RawClient,
  silentPort,
  startProxy,
  tcpRoute,
  tcpTarget,
  until,
} from './harness.ts'

const said = async (port: number): Promise<[text: string, ms: number]> => {
  const from = performance.now()
  const client = new RawClient(port)
  await client.over()
  return [client.text, performance.now() - from]
}

describe('a dead machine among the targets', () => {
  it('costs nobody a connect timeout again and again: it is asked by a connection of our own', async () => {
    const alive = await tcpTarget((socket) => socket.end('alive'))
    const silent = await silentPort()
    const { proxy, port, events } = await startProxy({
      routes: [tcpRoute([silent, alive.port])],
      connectTimeoutMs: 700,
    })
    // Those that come while it is being found out wait for one timeout at most, all together.
    const first = await Promise.all(Array.from({ length: 6 }, () => said(port())))
    expect(first.map(([text]) => text)).toEqual(first.map(() => 'alive'))
    expect(proxy.stats().targets[0]!.healthy).toBe(false)
    const slow: number[] = []
    const until = performance.now() + 5_000
    while (performance.now() < until) {
      const [text, ms] = await said(port())
      expect(text).toBe('alive')
      if (ms > 600) slow.push(ms)
      await sleep(10)
    }
    expect(slow).toEqual([])
    expect(events.filter((event) => event.type === 'target.down')).toHaveLength(1)
  })

  it('gives its neighbour no double share', async () => {
    const targets = await Promise.all(['a', 'b', 'c'].map((name) => tcpTarget((socket) => socket.end(name))))
    const ports = targets.map((target) => target.port)
    const { port } = await startProxy({ routes: [tcpRoute([await deadPort(), ...ports])] })
    await said(port())
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 }
    for (let at = 0; at < 30; at += 1) {
      const [text] = await said(port())
      counts[text]! += 1
    }
    expect(counts).toEqual({ a: 10, b: 10, c: 10 })
  })

  it('is used again soon after it is back, although no client has tried it', async () => {
    const dead = await deadPort()
    const alive = await tcpTarget((socket) => socket.end('alive'))
    const { port, events } = await startProxy({ routes: [tcpRoute([dead, alive.port])] })
    await said(port())
    const server = net.createServer((socket) => socket.on('error', () => undefined).end('back'))
    await new Promise<void>((resolve) => server.listen(dead, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
    })
    await until(() => events.some((event) => event.type === 'target.up'), 'target.up')
    // Its share is small at first.
    const texts: string[] = []
    while (!texts.includes('back')) texts.push((await said(port()))[0])
    expect(texts.length).toBeGreaterThan(3)
    expect(new Set(texts)).toEqual(new Set(['alive', 'back']))
  })
})

describe('an idle connection to a target', () => {
  it('is not used to the last of what the target announced, so that no POST crosses its end', async () => {
    const target = await tcpTarget((socket) => {
      socket.on('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 2\r\n\r\nok')
      })
    })
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    const post = async (): Promise<void> => {
      const from = client.text.length
      client.socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
      await until(() => client.text.length > from && client.text.endsWith('ok'))
    }
    await post()
    await post()
    expect(target.sockets).toHaveLength(1)
    await sleep(1_100)
    await post()
    expect(target.sockets).toHaveLength(2)
  })
})

describe('names of targets', () => {
  const ask = (names: Names): Promise<string> =>
    new Promise((resolve, reject) => {
      names.lookup('db.test', {}, (error, address) => (error ? reject(error) : resolve(String(address))))
    })

  it('are asked for once, whatever number of connections wait', async () => {
    const answers: ((error: Error | null, addresses: LookupAddress[]) => void)[] = []
    const names = new Names((_name, answer) => answers.push(answer))
    const asked = Promise.all(Array.from({ length: 100 }, () => ask(names)))
    expect(answers).toHaveLength(1)
    answers[0]!(null, [{ address: '10.0.0.1', family: 4 }])
    expect(new Set(await asked)).toEqual(new Set(['10.0.0.1']))
    expect(await ask(names)).toBe('10.0.0.1')
    expect(answers).toHaveLength(1)
  })

  it.each(['fails', 'is silent'])('keep their last good answer while the resolver %s', async (how) => {
    let now = 0
    let times = 0
    const names = new Names(
      (_name, answer) => {
        times += 1
        if (times === 1) answer(null, [{ address: '10.0.0.1', family: 4 }])
        else if (how === 'fails') answer(new Error('SERVFAIL'), [])
      },
      () => now,
    )
    expect(await ask(names)).toBe('10.0.0.1')
    now += 60_000
    expect(await ask(names)).toBe('10.0.0.1')
    expect(times).toBe(2)
  })

  it('reject when there has never been an answer', async () => {
    const names = new Names((_name, answer) =>
      answer(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []),
    )
    await expect(ask(names)).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  it('never occupy more than two of the threads of the process', () => {
    let asked = 0
    const names = new Names(() => {
      asked += 1
    })
    for (let at = 0; at < 50; at += 1) names.lookup(`host-${at}.test`, {}, () => undefined)
    expect(asked).toBe(2)
  })

  it('lead to their target', async () => {
    const target = await tcpTarget((socket) => socket.end('by name'))
    const route = tcpRoute(target.port)
    forward(route).targets = [{ host: 'localhost', port: target.port }]
    const { port } = await startProxy({ routes: [route] })
    for (let at = 0; at < 3; at += 1) expect((await said(port()))[0]).toBe('by name')
  })
})
