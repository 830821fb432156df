// SPDX-License-Identifier: Apache-2.0

#[test_only]
module k3s_daas::staking_tests;

#[test]
fun ok() {}
