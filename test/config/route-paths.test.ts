import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { loadNodeConfig } from '../../server/config/load.ts'

it('finds the files that routes name from the folder of the configuration file, and takes PEM as it is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-routes-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const pem = '-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----'
  writeFileSync(
    join(folder, 'node.yaml'),
    `id: fra-1
region: fra
proxy:
  routes:
    - name: site
      match: { ports: 443, domains: a.test }
      action:
        type: forward
        tls: { mode: terminate-and-reencrypt, certificate: { cert: ./a.pem, key: "\${KEY}" } }
        targets: [{ host: 10.0.0.7, port: 443, tls: { ca: ca.pem } }, { host: 10.0.0.8, port: 443 }]
    - { name: file, match: { ports: 80, path: /a }, action: { type: static, file: ./a.txt } }
    - { name: root, match: { ports: 80, path: "/b/*" }, action: { type: static, root: /srv/files } }
    - { name: echo, match: { ports: 7 }, action: { type: socket, module: ./echo.mjs } }
    - { name: to, match: { ports: 80 }, action: { type: redirect, to: "https://{host}/" } }
`,
  )
  const { proxy } = loadNodeConfig(join(folder, 'node.yaml'), { KEY: pem })
  expect(proxy?.routes.map(({ action }) => action)).toMatchObject([
    {
      tls: { certificate: { cert: join(folder, 'a.pem'), key: pem } },
      targets: [{ tls: { ca: join(folder, 'ca.pem') } }, { host: '10.0.0.8' }],
    },
    { file: join(folder, 'a.txt') },
    { root: '/srv/files' },
    { module: join(folder, 'echo.mjs') },
    { to: 'https://{host}/' },
  ])
})

it('finds the store of certificates and the authorities of their directory from there too, also by default', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-acme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const acmeOf = (acme: string) => {
    writeFileSync(join(folder, 'node.yaml'), `id: fra-1\nregion: fra\nproxy: { acme: ${acme} }\n`)
    return loadNodeConfig(join(folder, 'node.yaml'), {}).proxy?.acme
  }
  expect(acmeOf('{ store: kept/here, ca: ./ca.pem }')).toMatchObject({
    store: join(folder, 'kept/here'),
    ca: join(folder, 'ca.pem'),
  })
  expect(acmeOf('{}')).toEqual({
    store: join(folder, 'acme'),
    directoryUrl: 'https://acme-v02.api.letsencrypt.org/directory',
    challengePort: 80,
    renewDays: 30,
  })
  expect(() => acmeOf('{ directoryUrl: "http://ca.internal/directory" }')).toThrow(
    'proxy.acme.directoryUrl  is "http://ca.internal/directory"; must be a URL that begins with https://',
  )
  expect(() => acmeOf('{ email: "ops@a.example, root@b.example" }')).toThrow('must be an e-mail address')
})
