import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { checkConfigText, loadConfig } from '../../server/config/load.ts'
import { redacted } from '../../server/config/redact.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidegate-notify-config-'))
const path = join(folder, 'tidegate.yaml')
afterAll(() => rmSync(folder, { recursive: true }))

const withNotify = (notify: string): string => `regions: [{ id: fra }]
nodes: [{ id: fra-1, region: fra, kind: tidegate, url: "http://a", token: a-long-enough-token }]
notify:
${notify}
`
const problems = (notify: string, env: Record<string, string> = {}) =>
  checkConfigText(withNotify(notify), path, env).map(({ path, message }) => `${path} ${message}`)

const ALL = `
  - { name: team,  kind: slack,     url: \${SLACK_URL}, min: warning, regions: [fra], signals: ["push.*"], groupWaitSeconds: 30, repeatHours: 4 }
  - { name: pager, kind: pagerduty, routingKey: \${PD}, min: critical }
  - { name: hook,  kind: webhook,   url: https://hooks.example.com/s3cret-path?key=1, secret: \${HOOK_SECRET}, ca: ./ca.pem }
  - { kind: email, smtp: "smtps://tide:\${MAIL}@mail.example.com", from: "Tidegate <tidegate@example.com>", to: [ops@example.com] }
  - { name: phone, kind: ntfy,      url: https://ntfy.example.com/ops, token: \${NTFY} }`
const SECRETS = {
  SLACK_URL: 'https://hooks.slack.com/services/T000/B000/slacksecret',
  PD: 'pagerdutysecret1',
  HOOK_SECRET: 'webhooksecret-01',
  MAIL: 'mailsecret',
  NTFY: 'ntfysecret',
}

describe('notify in tidegate.yaml', () => {
  it('takes every kind as it is documented, fills defaults, and finds files beside the configuration', () => {
    writeFileSync(path, withNotify(ALL))
    const { notify } = loadConfig(path, SECRETS)
    expect(notify.map(({ name }) => name)).toEqual(['team', 'pager', 'hook', 'email', 'phone'])
    expect(notify[1]).toMatchObject({
      url: 'https://events.pagerduty.com/v2/enqueue',
      groupWaitSeconds: 30,
      repeatHours: 4,
      recovery: true,
    })
    expect(notify[2]?.ca).toBe(join(folder, 'ca.pem'))
  })

  it('shows no secret of it, and of an address the host alone', () => {
    writeFileSync(path, withNotify(ALL))
    const shown = JSON.stringify(redacted(loadConfig(path, SECRETS)))
    for (const secret of ['secret', 'T000', 'pagerdutysecret1', 'tide:', '/ops'])
      expect(shown.replaceAll('"secret":', ''), secret).not.toContain(secret)
    expect(shown).toContain('"url":"https://hooks.slack.com/[redacted]"')
    expect(shown).toContain('ops@example.com')
  })

  it.each([
    [
      '- { kind: slack, url: hooks.slack.com/services/T000/B000/slacksecret }',
      'notify[0].url is [redacted]; must be an http',
    ],
    [
      '- { kind: slack, url: "https://user:pass-word@hooks.slack.com/x" }',
      'notify[0].url is [redacted]; must be',
    ],
    [
      '- { kind: email, smtp: "http://mail-secret", from: a@b, to: [a@b] }',
      'notify[0].smtp is [redacted]; must be smtp://',
    ],
    [
      '- { kind: webhook, url: "https://a", secret: short-secret }',
      'notify[0].secret is [redacted]; must have at least 16',
    ],
    [
      '- { kind: webhook, url: "https://a", signals: ["pish.*"] }',
      'notify[0].signals[0] is "pish.*"; must be a kind of signal',
    ],
    [
      '- { kind: webhook, url: "https://a", regions: [iad] }',
      'notify[0].regions[0] is "iad"; it must be one of regions: fra',
    ],
    ['- { kind: webhook, url: "https://a", repeatHour: 4 }', 'notify[0].repeatHour is not a known key here'],
    ['- { kind: webhook, url: "https://a" }\n  - { kind: webhook, url: "https://b" }', 'notify[1].name '],
    [
      '- { kind: email, smtp: "smtps://tide:mail-secret%@a.b", from: a@b, to: [a@b] }',
      'notify[0].smtp is [redacted]; has a % in its user or password that escapes nothing; write %25 for it',
    ],
    ['- { kind: email, smtp: "smtps://tide:mail-secret%ff@a.b", from: a@b, to: [a@b] }', 'write %25 for it'],
    ['- { kind: email, smtp: "smtp://a", from: "a@b\\r\\nBcc: c@d", to: [a@b] }', 'notify[0].from is "a@b'],
    [
      '- { kind: pigeon, url: "https://a" }',
      'notify[0].kind is "pigeon"; must be one of webhook, slack, email, ntfy, pagerduty',
    ],
  ])('says what is wrong, and no secret: %s', (entry, expected) => {
    const found = problems(`  ${entry}`)
    expect(found.join('\n')).toContain(expected)
    expect(found).toHaveLength(1)
    expect(found.join('\n')).not.toMatch(/slacksecret|pass-word|mail-secret|short-secret/)
  })
})
