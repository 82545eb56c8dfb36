import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { SignInForm } from '@/components/access/sign-in-form.tsx'
import { NoteForm } from '@/components/incidents/note-form.tsx'
import { byField, checkTarget, NO_TARGET, requestOf } from '@/components/probe/probe-target.ts'
import { TryTarget } from '@/components/probe/try-target.tsx'
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
    ['a look', <TryTarget key="t" />, ['where', 'user', 'password', 'ca', 'cert', 'key']],
  ])('of %s leaves what is missing to its own words, and not to the browser', (_name, element, names) => {
    const html = render(element, { role: 'admin', answers: [[['users'], { items: [], nextCursor: null }]] })
    expect([...html.matchAll(/<(?:input|textarea)[^>]*\bname="([^"]+)"/g)].map((match) => match[1])).toEqual(
      names,
    )
    expect(html).toContain('noValidate')
    expect(html).not.toMatch(/<(?:input|textarea)[^>]*\brequired\b/)
  })
})

describe('a look at a target', () => {
  const AT = { ...NO_TARGET, where: 'https://10.0.0.6/status' }

  it('sends what was given, and nothing else', () => {
    expect(requestOf(AT)).toEqual({ url: 'https://10.0.0.6/status' })
    const all = { kind: 'nginx', user: 'ada', password: ' s p ', ca: './ca.pem', cert: 'a.pem', key: 'a.key' }
    const { user, password, ...rest } = all
    expect(requestOf({ ...AT, ...all })).toEqual({ url: AT.where, ...rest, auth: { user, password } })
  })

  it('says which field is wrong, before and after somebody was asked', () => {
    expect(checkTarget({ ...AT, password: 'x' })).toEqual({
      problems: { user: 'Say whose password that is.' },
    })
    expect(byField({ ca: 'names the file a', 'auth.user': 'must have no colon' })).toMatchObject({
      where: undefined,
      ca: 'names the file a',
      user: 'must have no colon',
    })
    expect(byField({ map: 'is needed' }).where).toBe('is needed')
  })

  it.each([
    ['a user with a colon', { user: 'ops:x', password: 'y' }, 'user'],
    ['a user that is too long', { user: 'x'.repeat(300), password: 'y' }, 'user'],
    ['a password with a tab', { user: 'ops', password: 'a\tb' }, 'password'],
    ['a kind that there is not', { kind: 'gopher' }, 'where'],
  ])('says what is wrong with %s at its field, before anybody is asked', (_, wrong, field) => {
    const checked = checkTarget({ ...AT, ...wrong })
    expect(Object.entries('problems' in checked ? checked.problems : {}).filter(([, text]) => text)).toEqual([
      [field, expect.stringMatching(/\w/)],
    ])
  })

  it('folds away what most systems do not want to know', () => {
    const html = render(<TryTarget />, { role: 'admin' })
    expect(html).toMatch(/<details class="[^"]*"><summary/)
    expect(html).toMatch(/type="password"[^>]*autoComplete="new-password"/i)
  })
})
