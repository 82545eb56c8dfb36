import { describe, expect, it } from 'vitest'
import { certificateExpiring } from '../../../server/collector/signals/certificate-expiring.ts'
import { factsWith, lookAt, scriptedView } from './scripted-view.ts'

const DAY = 86_400_000
const NOW = 1_000 * DAY
type Certificates = { name: string; notAfter: number }[]

const ending = (...days: number[]): Certificates =>
  days.map((left, index) => ({ name: `w${index}.example.com`, notAfter: NOW + left * DAY }))
const seen = (
  certificates: Certificates | undefined,
  before: ReturnType<typeof certificateExpiring.start> = null,
) =>
  certificateExpiring.take(
    before,
    {
      type: 'reading',
      node: 'fra-1',
      at: NOW,
      facts: factsWith(certificates === undefined ? {} : { certificates }),
    },
    lookAt(certificateExpiring, scriptedView()),
  )
const verdict = (state: ReturnType<typeof certificateExpiring.start>, now = NOW) =>
  certificateExpiring.verdict(state, lookAt(certificateExpiring, scriptedView(), { now }))

describe('certificate.expiring', () => {
  it.each([
    [21.001, 'closed', undefined],
    [21, 'open', 'warning'],
    [7, 'open', 'warning'],
    [1.001, 'open', 'warning'],
    [1, 'open', 'critical'],
    [-3, 'open', 'critical'],
  ])('%f days before its end', (days, state, severity) => {
    const found = verdict(seen(ending(days)))
    expect(found.state).toBe(state)
    if (found.state === 'open') expect(found.severity).toBe(severity)
  })

  it('names the first that ends, and how many more', () => {
    expect(verdict(seen(ending(30, 6, 12)))).toMatchObject({
      title: 'The certificate for w1.example.com ends within 7 days',
      sentence: 'the certificate of fra-1 for w1.example.com ends in 6 d, and 1 other soon',
    })
    expect(verdict(seen(ending(12)))).toMatchObject({
      title: 'The certificate for w0.example.com ends soon',
    })
    expect(verdict(seen(ending(-1)))).toMatchObject({
      title: 'The certificate for w0.example.com has ended',
    })
  })

  it('closes when it was renewed, and when none is shown any more', () => {
    expect(verdict(seen(ending(90), ending(2))).state).toBe('closed')
    expect(verdict(seen([], ending(2))).state).toBe('closed')
  })

  it('holds before the first reading, and goes by the last while the node shows nothing', () => {
    expect(verdict(null).state).toBe('hold')
    expect(verdict(seen(undefined, ending(2))).state).toBe('open')
    const about = (facts: ReturnType<typeof factsWith>) =>
      certificateExpiring.about({ type: 'reading', node: 'fra-1', at: NOW, facts }, scriptedView())
    expect(about(factsWith())).toBeNull()
    expect(about(factsWith({ certificates: [] }))).toBe('node:fra-1')
  })
})
