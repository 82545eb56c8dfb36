// The entry of every npm script. This file alone must run on any Node that a machine may have, hence the old syntax; the set-up behind it
// installs the pinned Node and everything else continues with that one.
'use strict'

var major = parseInt(process.versions.node, 10)
if (major < 20) {
  process.stderr.write(
    'Tidegate needs Node.js 20 or newer to set itself up; this is ' +
      process.version +
      '. Install a current one from https://nodejs.org and try again.\n',
  )
  process.exit(1)
} else {
  import('./launch.mjs')
    .then((launcher) => launcher.launch(process.argv.slice(2)))
    .then(
      (code) => {
        process.exit(code)
      },
      (error) => {
        process.stderr.write(
          (error && error.sentence ? error.sentence : String((error && error.stack) || error)) + '\n',
        )
        process.exit(typeof (error && error.exitCode) === 'number' ? error.exitCode : 1)
      },
    )
}
