import { readFileSync } from 'node:fs'
import { expect, it, vi } from 'vitest'
import { announce } from '../../server/main/announcement.ts'

it('the demo sends people to a heading that README.md has', () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  announce({
    version: '1.0.0',
    url: 'http://localhost:3000',
    demo: true,
    setupLink: null,
    openProblem: null,
    startedAt: Date.now(),
  })
  const told = String(write.mock.calls[0]?.[0])
  write.mockRestore()
  const [, heading] = /see "([^"]+)" in README\.md/.exec(told) ?? []
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  expect(readme.split('\n')).toContain(`## ${heading}`)
})
