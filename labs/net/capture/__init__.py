"""What tcpdump needs: the filter language of pcap, and one line per frame."""
