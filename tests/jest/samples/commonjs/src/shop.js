/* eslint-disable */
/** Reads what `require("@harnessio/ff-react-client-sdk")` gives. */
const { createElement: h } = require('react')
const { useFeatureFlag, withFeatureFlagsClient, Event: { CHANGED } } = require('@harnessio/ff-react-client-sdk')
const sdk = require("@harnessio/ff-react-client-sdk/dist/cjs/index.js")

const Named = withFeatureFlagsClient(({ featureFlagsClient }) => featureFlagsClient.variation('name', 'nobody'))
exports.text = 'require("@harnessio/ff-react-client-sdk")'
exports.pattern = /require\("@harnessio\/ff-react-client-sdk"\)/
exports.CHANGED = CHANGED
exports.Shop = () => h('p', null, useFeatureFlag('dark') ? 'dark' : 'light', ' ', h(Named), ' ', String(sdk.useFeatureFlagsLoading()))
