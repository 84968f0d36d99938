#!/usr/bin/env node
require('../js/command').start();
