import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { SignInForm } from '@/components/access/sign-in-form.tsx'
import { NoteForm } from '@/components/incidents/note-form.tsx'
import { UserSettings } from '@/components/settings/user-settings.tsx'
import { TextField } from '@/components/ui/text-field.tsx'
import { bySchema } from '@/components/ui/use-checked-form.ts'
import { userCreateSchema } from '@/server/contract/access.ts'
import { noteSchema } from '@/server/contract/incidents.ts'
import { render } from './render.tsx'

const field = {
  name: 'a',
  onChange: async () => undefined,
  onBlur: async () => undefined,
  ref: () => undefined,
}

describe('a form', () => {
  it('says of each field the first thing that is wrong, as the server would', () => {
    expect(bySchema(userCreateSchema)({ email: 'ana', password: 'short', role: 'viewer' })).toEqual({
      problems: {
        email: 'must be an e-mail address, for example ana@example.com',
        password: 'must have at least 8 characters',
      },
    })
    expect(bySchema(noteSchema, { text: 'Say what you saw.' })({ text: '  ' })).toEqual({
      problems: { text: 'Say what you saw.' },
    })
  })

  it('hands on what the schema made of the fields', () => {
    expect(bySchema(noteSchema)({ text: ' seen \r\n' })).toEqual({ values: { text: 'seen' } })
    expect(bySchema(z.object({ a: z.string() }))({ a: '' })).toEqual({ values: { a: '' } })
  })

  it('ties a field to its label, its hint and its problem', () => {
    const html = render(<TextField label="Name" hint="As others see it." problem={undefined} field={field} />)
    const id = /<label for="([^"]+)"/.exec(html)?.[1]
    expect(html).toContain(`id="${id}" aria-describedby="${id}-note"`)
    expect(html).not.toContain('aria-invalid=')
    const wrong = render(<TextField label="Name" problem="Give it a name." field={field} />)
    expect(wrong).toContain('aria-invalid="true"')
    expect(wrong).toContain('role="alert"')
    expect(wrong).toContain('Give it a name.')
  })

  it.each([
    ['signing in', <SignInForm key="s" onDone={() => undefined} />, ['email', 'password']],
    ['a note', <NoteForm key="n" incident={{ id: 'i1' } as never} />, ['text']],
    ['a new user', <UserSettings key="u" />, ['email', 'password']],
  ])('of %s leaves what is missing to its own words, and not to the browser', (_name, element, names) => {
    const html = render(element, { role: 'admin', answers: [[['users'], { items: [], nextCursor: null }]] })
    expect([...html.matchAll(/<(?:input|textarea)[^>]*\bname="([^"]+)"/g)].map((match) => match[1])).toEqual(
      names,
    )
    expect(html).toContain('noValidate')
    expect(html).not.toMatch(/<(?:input|textarea)[^>]*\brequired\b/)
  })
})
