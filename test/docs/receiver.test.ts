import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createAddressRules } from '../../server/collector/adapters/address.ts'
import { WebhookCalls } from '../../server/collector/adapters/webhook/call.ts'

const SECRET = 'the-secret-of-the-runbook'
const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8')
const section = runbook.split('## A receiver for drain webhooks')[1] ?? ''
const example = /```js\n([\s\S]*?)```/.exec(section)?.[1] ?? ''

const folder = mkdtempSync(join(tmpdir(), 'tidegate-receiver-'))
const calls = new WebhookCalls(createAddressRules([]), Date.now)
let receiver: ChildProcess
let url: string
let took = ''

beforeAll(async () => {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  await once(free, 'close')
  url = `http://127.0.0.1:${port}/drain`
  const file = join(folder, 'receiver.mjs')
  const take = 'const take = async (node, out) => console.log(node, out)\n'
  writeFileSync(
    file,
    take + example.replace('listen(9400)', `listen(${port}, '127.0.0.1', () => console.log('up'))`),
  )
  receiver = spawn(process.execPath, [file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, DRAIN_SECRET: SECRET },
  })
  receiver.stdout?.setEncoding('utf8').on('data', (text: string) => {
    took += text
  })
  await vi.waitFor(() => expect(took).toContain('up'), { timeout: 15_000 })
})
afterAll(async () => {
  receiver.kill('SIGKILL')
  await calls.close()
  rmSync(folder, { recursive: true, force: true })
})

it('has an example of a receiver in the runbook that takes what is signed, and nothing else', async () => {
  const deed = { key: 'd1', body: JSON.stringify({ action: 'drain', node: 'gw-1', reason: 'Küche' }) }
  expect((await calls.post({ url, secret: SECRET }, deed)).asked).toEqual({ kind: 'accepted' })
  expect(
    (await calls.post({ url, secret: SECRET }, { ...deed, body: '{"action":"resume","node":"gw-1"}' })).asked,
  ).toEqual({ kind: 'accepted' })
  await expect.poll(() => took, { timeout: 5_000 }).toContain('gw-1 true\ngw-1 false\n')
  const wrong = await calls.post({ url, secret: 'another-secret-altogether' }, deed)
  expect(wrong.asked).toMatchObject({
    kind: 'refused',
    why: expect.stringMatching(/answered 401: bad signature$/),
  })
  const old = new WebhookCalls(createAddressRules([]), () => Date.now() - 600_000)
  expect((await old.post({ url, secret: SECRET }, deed)).asked.kind).toBe('refused')
  await old.close()
  expect(took.match(/gw-1/g)).toHaveLength(2)
})
