import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { SIGNATURE_HEADER, signatureOf } from '../../server/wire/signature.ts'

it('signs the time in whole seconds and the body, as the documentation says', () => {
  const body = '{"action":"drain","reason":"Umlaut ü"}'
  const v1 = createHmac('sha256', 'a secret of many').update(`1767225600.${body}`).digest('hex')
  expect(signatureOf('a secret of many', body, 1_767_225_600_999)).toBe(`t=1767225600,v1=${v1}`)
  expect(SIGNATURE_HEADER).toBe('tidegate-signature')
})
