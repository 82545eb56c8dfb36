import { execFileSync, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../server/config/load.ts'
import { CHANNEL_KINDS } from '../../server/contract/index.ts'

const text = readFileSync(new URL('../../docs/notifications.md', import.meta.url), 'utf8')
const blocks = (language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    (match) => match[1] ?? '',
  )
const folder = mkdtempSync(join(tmpdir(), 'tidegate-docs-notify-'))
afterAll(() => rmSync(folder, { recursive: true }))

const ENV = {
  SLACK_URL: 'https://hooks.slack.com/services/T000/B000/XXX',
  PAGERDUTY_KEY: '0123456789abcdef',
  HOOK_SECRET: 'a-secret-of-our-own-01',
  SMTP_PASSWORD: 'a-password',
  NTFY_TOKEN: 'tk_0123456789',
}
const body = '{"id":"1","text":"ä"}'
const sign = (t: number, secret = ENV.HOOK_SECRET): string =>
  createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')
const now = (): number => Math.floor(Date.now() / 1_000)

describe('docs/notifications.md', () => {
  it('has an example of every kind, all of which a configuration may hold', () => {
    const kinds = blocks('yaml').flatMap((block) => {
      const path = join(folder, 'tidegate.yaml')
      const whole = block.includes('notify:') ? block : `notify:\n${block}`
      const node = '{ id: fra-1, region: fra, kind: tidegate, url: "http://a", token: a-long-enough-token }'
      writeFileSync(path, `regions: [{ id: fra }]\nnodes: [${node}]\n${whole}`)
      return loadConfig(path, ENV).notify.map(({ kind }) => kind)
    })
    expect([...new Set(kinds)].sort()).toEqual([...CHANNEL_KINDS].sort())
  })

  it.each([
    ['ours', () => now(), ENV.HOOK_SECRET, 'true true'],
    ['with another secret', () => now(), 'another-secret-01', 'false true'],
    ['old', () => now() - 600, ENV.HOOK_SECRET, 'true false'],
  ])('checks a signature in Node: %s', (_, at, secret, expected) => {
    const t = at()
    const file = join(folder, 'check.mjs')
    const [snippet = ''] = blocks('js')
    writeFileSync(
      file,
      `${snippet.replace('\nconst [', `\nconst body = ${JSON.stringify(body)}\nconst request = { headers: { 'tidegate-signature': 't=${t},v1=${sign(t, secret)}' } }\nconst [`)}\nconsole.log(isOurs, isFresh)\n`,
    )
    expect(
      execFileSync(process.execPath, [file], { env: { ...process.env, ...ENV } })
        .toString()
        .trim(),
    ).toBe(expected)
  })

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0
  if (!hasOpenssl)
    process.stderr.write('openssl is missing: the check of a signature in a shell is not tried\n')

  it.skipIf(!hasOpenssl).each([
    ['ours', ENV.HOOK_SECRET, 'ours'],
    ['with another secret', 'another-secret-01', ''],
  ])('checks a signature in a shell: %s', (_, secret, expected) => {
    const t = now()
    writeFileSync(join(folder, 'body.json'), body)
    const script = blocks('sh').at(-1) ?? ''
    const { stdout } = spawnSync('sh', ['-c', script], {
      cwd: folder,
      env: { ...process.env, ...ENV, t: String(t), v1: sign(t, secret) },
    })
    expect(stdout.toString().trim()).toBe(expected)
  })
})
