complete -c configtxgen -l profile -d 'The profile in configtx.yaml to make something of' -r
complete -c configtxgen -l channelID -d 'The channel\'s name' -r
complete -c configtxgen -l configPath -d 'The directory that has configtx.yaml' -r
complete -c configtxgen -l outputBlock -d 'Write the channel\'s first block to this file' -r
complete -c configtxgen -l outputCreateChannelTx -d 'Write the transaction that asks a system channel to create the channel to this file' -r
complete -c configtxgen -l channelCreateTxBaseProfile -d 'The system channel\'s profile, where the new channel shall differ from it in more than its members (with -outputCreateChannelTx)' -r
complete -c configtxgen -l outputAnchorPeersUpdate -d 'Write the transaction that adds the anchor peers of -asOrg to a channel that was just created to this file (deprecated: update the channel\'s config instead)' -r
complete -c configtxgen -l asOrg -d 'The organization, by name, whose anchor peers are added' -r
complete -c configtxgen -l inspectBlock -d 'Print the block in this file as JSON' -r
complete -c configtxgen -l inspectChannelCreateTx -d 'Print the channel creation transaction in this file as JSON' -r
complete -c configtxgen -l printOrg -d 'Print an organization of configtx.yaml as JSON, to be added to a channel\'s config' -r
complete -c configtxgen -l version -d 'Print the version'
complete -c configtxgen -s h -l help -d 'Print this page'
